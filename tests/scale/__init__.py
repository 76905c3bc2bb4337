"""Measures what a call of the database costs, and whether it costs more as the tables grow.

    make scale                                       1,000 and 100,000 employees, then the two proofs
    python -m tests.scale --sizes 1000 1000000       others; a million employees need about 25 GB
    python -m tests.scale --only erasure             some functions
    python -m tests.scale proofs                     the proofs alone

For each size a database is made (`seeding`): employees with ten recordings each, consents, voices, erasures that are over, an audit. Half
of the employees are in one organisation, so that what grows with an organisation is seen, too. Then every function of schema public is
called as the service key calls it (`recipes`; the list is PostgreSQL's own, so none is forgotten), the sizes in turns, each call in a
transaction that is rolled back; the median of each is printed with its ratio to the smallest size.

Each proof (`proofs`) is one large thing at once, worked off as the bundle works it off, under the `statement_timeout` of hosted Supabase:
100,000 recordings of one employee that are erased, and 10,000 consents that expire in the same second. No call may take over a second.

Exit code 1 if a function costs more than 1.5 times as much as at the smallest size (and over 0.3 ms more, since a difference that small
is the machine's), has no recipe, or answers otherwise than its recipe says; or if a proof fails.
"""
