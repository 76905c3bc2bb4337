"""How fast and how big the functions are, beside the least that there can be and beside a Python peer, in one run on one machine.

    python -m bench.functions              # everything; --only ready,warm,ingest,sample
    python -m bench.functions --write      # the same, kept in bench/RESULTS.md

* floor: an empty `lambda_http` function, and the same with one secret read (`floor/`).
* peer: FastAPI behind Mangum on AWS's own Python runtime client (`peer/`).
* Every contestant is a process of its own against a Runtime API on loopback (`local.runtime_api`), in a release build, with the stand-ins
  of the vendors and of AWS as its outside. Rounds go through all contestants in turn, so that whatever else the machine does meets all.

A ratio of two medians of one run says something; a time by itself says something of this machine. Only ratios have targets.
"""
