"""The zip that `sam deploy` makes of a function, and its hash."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from samcli.lib.package.utils import make_zip_with_lambda_permissions


def code_sha256(package: Path) -> str:
    """Lambda's `CodeSha256` of a function whose zip was made of this folder of `sam build`.

    The zip has no times, but it has the modes of the files: with umask 002 it is another one than with 022."""
    with TemporaryDirectory() as directory:
        zipped = make_zip_with_lambda_permissions(str(Path(directory, "package")), str(package))
        return base64.b64encode(hashlib.sha256(Path(zipped).read_bytes()).digest()).decode()
