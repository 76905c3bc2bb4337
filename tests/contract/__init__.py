"""Do the vendors do what we think? `python -m tests.contract` asks them; see docs/vendors.md.

Each thing that the functions rely on is an assumption: a sentence, and a question that the vendor can answer. `make contract` asks real
accounts, and `make test` asks the stand-ins.
"""
