"""The zips of a commit, built twice, in two folders and with two homes of cargo: they must be the same, byte for byte.

    python -m tests.reproducible                                        # every function, for the architecture of this machine
    python -m tests.reproducible recording-webhook --architecture arm64

They are made as `sam build && sam deploy` makes them, with the tools of `make venv`. The hashes that it prints are those that Lambda shows of deployed
functions (`CodeSha256`), so they also tell whether a deployment is of this commit. Changes that are not committed are not in them.
"""
