"""The benchmark of the functions: their speed and size, beside an empty function and a Python peer, in one run on one machine.

    python -m bench.functions              # everything; --only start,trips,sample,ingest
    python -m bench.functions --write      # the same, kept in bench/RESULTS.md

* floor: an empty `lambda_http` function, and the same with one secret read (`floor/`).
* peer: FastAPI behind Mangum on AWS's own Python runtime client (`peer/`).
* Every contestant is a process of its own against a Runtime API on loopback (`local.runtime_api`), in a release build, with the stand-ins
  of the vendors and of AWS as its outside. Rounds go through all contestants in turn, so that whatever else the machine does meets all.

A ratio of two medians of one run can be compared with that of another machine; a time cannot. Only ratios, sizes and counts have targets.
"""
