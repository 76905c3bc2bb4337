"""Nothing lost, nothing doubled: whatever an outside call does, and wherever a function dies.

    make faults                                    the whole matrix, as a table
    python -m tests.faults --only 'clone .*add'    a part of it; --list tells the names
    python -m tests.faults chaos --seconds 300     functions killed at random under load, compared with a quiet run
    pytest tests/faults                            a part chosen evenly

The calls are not listed anywhere: each flow (`flows`) is run once with nothing done to it, and every outside call that the
functions make then (`calls`) is a row. Every fault that may befall it is a column (`kinds`, `errors`): once, and until the message dies. Each
case has a `lane` of its own: a database, the vendors' stand-ins, the queues, the real binaries (`functions`) with the settings
of the template (`bundle`), and a `clock`, so that delays and leases of minutes cost nothing. Afterwards dead letters are redriven,
people ask again, and the schedule sweeps once; then the `invariants` are checked.
"""
