"""The state that a flow's preparation has made, kept to be copied: otherwise most of a case's time would go into preparing the same again.

A case gets a lane of its own all the same: a copy of the database, and of all that the preparation has changed in the stand-ins. Its
database goes on from the moment at which the preparation ended, so a preparation is used for a minute or two only: the clocks of the
functions and of Twilio go on meanwhile, and may be ahead of the database's by no more than is known to change nothing (five minutes).
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from standins import Vendors

# Seconds.
MAY_BE_OLD = 120
# The attributes that tell one account of a vendor from another; every stand-in begins with one of its own.
ACCOUNTS = {("twilio", "account_sid"), ("elevenlabs", "user_id")}


@dataclass(frozen=True)
class Prepared:
    database: str
    directory: Path
    vendors: dict[str, dict[str, bytes]]  # by stand-in: the attributes that have changed
    run: bytes  # those of the flow
    passed: float  # on the lane's clock
    database_time: datetime
    made: float  # monotonic

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self.made > MAY_BE_OLD

    def restore(self, vendors: Vendors, directory: Path) -> None:
        """Into stand-ins that nobody has asked for anything yet."""
        copy_files(self.directory, directory)
        parts = parts_of(vendors)
        for name, attributes in self.vendors.items():
            vars(parts[name]).update({attribute: _Unpickler(state, directory).load() for attribute, state in attributes.items()})


def copy_files(of: Path, to: Path) -> None:
    """Files of the stand-ins never change: they are removed, or others take their place."""
    shutil.copytree(of, to, copy_function=os.link, dirs_exist_ok=True)


def parts_of(vendors: Vendors) -> dict[str, object]:
    """The parts of the stand-ins that have a state."""
    supabase = vendors.supabase
    return {
        "twilio": vendors.twilio, "elevenlabs": vendors.elevenlabs, "supabase": supabase,
        "auth": supabase.auth, "storage": supabase.storage, "rest": supabase.rest,
    }  # fmt: skip


def state_of(vendors: Vendors, directory: Path) -> dict[str, dict[str, bytes]]:
    """Each attribute that can be kept, by stand-in. The others (servers, connections, tasks) belong to one lane."""
    parts = parts_of(vendors)
    return {
        name: _kept({attribute: value for attribute, value in vars(part).items() if value not in parts.values()}, directory)
        for name, part in parts.items()
    }


def changed(before: dict[str, dict[str, bytes]], after: dict[str, dict[str, bytes]]) -> dict[str, dict[str, bytes]]:
    """The attributes that have changed since then, and those that belong to the account."""
    return {
        name: {attribute: state for attribute, state in attributes.items() if (name, attribute) in ACCOUNTS or before[name].get(attribute) != state}
        for name, attributes in after.items()
    }


def _kept(attributes: dict, directory: Path) -> dict[str, bytes]:
    kept = {}
    for name, value in attributes.items():
        file = io.BytesIO()
        try:
            _Pickler(file, directory).dump(value)
        except (TypeError, AttributeError, pickle.PicklingError):
            continue
        kept[name] = file.getvalue()
    return kept


class _Pickler(pickle.Pickler):
    """Paths within the lane's directory are kept as from there."""

    def __init__(self, file: io.BytesIO, directory: Path):
        super().__init__(file)
        self._directory = directory

    def persistent_id(self, value: object) -> str | None:
        within = isinstance(value, Path) and value.is_relative_to(self._directory)
        return str(value.relative_to(self._directory)) if within else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, state: bytes, directory: Path):
        super().__init__(io.BytesIO(state))
        self._directory = directory

    def persistent_load(self, within: str) -> Path:
        return self._directory / within
