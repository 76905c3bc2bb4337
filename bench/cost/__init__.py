"""The bundle's cost at AWS, for each job and each memory size, beside the Python peer.

    python -m bench.cost               # prints it
    python -m bench.cost --write       # and puts it into docs/operations.md
    python -m bench.cost --measure     # counts calls, log lines and looks again first (half a minute, after the build); needs no release build

* `prices.toml` has the prices, with their sources and their day, and everything that is assumed, such as a vendor's latency.
* `measured.json` has what does not depend on the machine: calls outside, bytes of logs, and how often `clone-voice` looks while it waits.
* `../RESULTS.md`, which `make bench` writes, has processor time and memory.
* `template.yaml` has the memory sizes. `tests/structure` demands that each is the cheapest one within its limit.

A function waits, and it computes: seconds = waiting + processor time · max(1, 1769 MB / memory). Lambda bills them by the memory.
"""
