"""What npm installs, and the client built beside a contract of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from local.aws import ROOT
from local.npm import CLIENT, MODULES, install, npm

SOURCES = ["package.json", "tsconfig.json", "openapi-ts.config.mjs", "example.ts"]


@pytest.fixture(scope="session")
def modules() -> Path:
    """`client/node_modules`."""
    install()
    return MODULES


@pytest.fixture(scope="session")
def build(modules, tmp_path_factory):
    """Builds the client and its example of a contract: where, and what npm said."""
    def build(contract: str):
        client = tmp_path_factory.mktemp("client") / "client"
        client.mkdir()
        (client.parent / "openapi.yaml").write_text(contract)
        for name in SOURCES:
            shutil.copy(CLIENT / name, client)
        (client / "node_modules").symlink_to(modules)
        return client, npm("run", "build", cwd=client)

    return build


@pytest.fixture(scope="session")
def contract() -> str:
    return (ROOT / "openapi.yaml").read_text()
