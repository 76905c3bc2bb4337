"""The fuzzer builds, what it has found before does no harm any more, and a little more finds nothing. `make fuzz` looks for longer."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from .conftest import ROOT

CORPUS = ROOT / "fuzz" / "corpus"


@pytest.mark.skipif(not shutil.which("c++"), reason="libFuzzer needs a C++ compiler")
def test_no_bytes_break_the_way_to_a_sample(tmp_path):
    fuzzing = subprocess.run(["make", "fuzz", "SECONDS=20", f"FOUND={tmp_path}"], cwd=ROOT, capture_output=True, text=True)
    assert fuzzing.returncode == 0, fuzzing.stderr[-4000:]
    runs = int(re.search(r"number_of_executed_units: (\d+)", fuzzing.stderr)[1])
    assert runs > len(list(CORPUS.iterdir()))
    # The recordings that become samples are among them.
    assert int(re.search(r"INITED cov: (\d+)", fuzzing.stderr)[1]) > 1200


def test_the_corpus_is_small():
    assert sum(file.stat().st_size for file in CORPUS.iterdir()) < 3_000_000
