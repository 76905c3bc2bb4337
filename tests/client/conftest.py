"""The packages that npm installs, and the client, built beside a contract of the test's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

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
    def build(contract: dict):
        client = tmp_path_factory.mktemp("client") / "client"
        client.mkdir()
        # JSON is YAML.
        (client.parent / "openapi.yaml").write_text(json.dumps(contract))
        for name in SOURCES:
            shutil.copy(CLIENT / name, client)
        (client / "node_modules").symlink_to(modules)
        return client, npm("run", "build", cwd=client)

    return build
