"""The progress of a build, read from cargo's own bar."""

from __future__ import annotations

from local import compile


def test_a_build_that_goes_on_tells_crates_done_of_crates_to_do(tmp_path, monkeypatch):
    log = tmp_path / "cargo.log"
    how_far = compile.HowFar(log)
    log.write_text("   Compiling syn v2.0.1\n\r    Building [====>      ] 12/255: syn, tokio\r    Building [=====>     ] 60/240: serde\r")
    monkeypatch.setattr(compile.time, "monotonic", lambda: how_far._began + 20)

    assert how_far() == "60 of 240 crates compiled, about 60 s to go"


def test_a_build_that_has_not_begun_to_compile_says_so(tmp_path):
    assert compile.HowFar(tmp_path / "missing.log")() == "the dependencies are being looked up"
