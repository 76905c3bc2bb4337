"""The deployed bundle, once for all tests that need it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.progress import Progress
from local.stack import Stack


def pytest_addoption(parser):
    parser.addoption("--stack", type=Path, help="a stack.json of a stack that is up (`make up`), instead of one of the tests' own; nobody else may use it meanwhile")
    parser.addoption("--screenshots", type=Path, metavar="DIRECTORY", help="where the console's tests put their pictures; none are made without it")


@pytest.fixture(scope="session")
def stack(request, tmp_path_factory):
    """The content of stack.json."""
    if given := request.config.getoption("stack"):
        yield json.loads(given.read_text())
        return
    running = Stack(tmp_path_factory.mktemp("stack"), Progress())
    # Building may take minutes: the user shall see it.
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print()
        running.start()
    try:
        yield json.loads(running.file.read_text())
    finally:
        running.stop()
