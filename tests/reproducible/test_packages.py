"""The zip of a function, as far as that needs no second build."""

from __future__ import annotations

import os

from .packages import code_sha256


def test_the_same_function_makes_the_same_zip_whenever_and_wherever_it_was_written(tmp_path):
    for place, written in (("a", 0), ("another", 1_000_000_000)):
        bootstrap = tmp_path / place / "bootstrap"
        bootstrap.parent.mkdir()
        bootstrap.write_bytes(b"\x7fELF")
        bootstrap.chmod(0o755)
        os.utime(bootstrap, (written, written))

    assert code_sha256(tmp_path / "a") == code_sha256(tmp_path / "another")
