"""Each package from PyPI is pinned, with the hashes of its files. Cargo and npm pin theirs by themselves."""

from __future__ import annotations

import re

from .files import files, text

PINNED = re.compile(r"[\w.\[\]-]+==[\w.+!-]+( ; [^\\\n]+)? \\(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+")


def test_each_package_of_python_has_its_version_and_hashes():
    for path in files("requirements.txt"):
        lines = [line for line in text(path).splitlines() if not line.startswith("#")]
        packages = [line for line in lines if not line.startswith(" ")]
        assert len(packages) == len(PINNED.findall("\n".join(lines))) > 0, path


def test_each_list_of_requirements_is_resolved():
    assert {path.removesuffix(".in") for path in files("requirements.in")} == {path.removesuffix(".txt") for path in files("requirements.txt")}
