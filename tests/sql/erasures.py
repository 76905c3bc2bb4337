"""Steps that the tests of an erasure share."""

from __future__ import annotations

import secrets


def new_sid() -> str:
    return f"RE{secrets.token_hex(16)}"


def copies(world):
    """All that are listed, as (kind, reference); without those that are there to look for more."""
    shown = [(c["kind"], c["reference"]) for c in world.erasure()["erasure"]["copies"]]
    return sorted(copy for copy in shown if copy[0] not in ("twilio_call", "vendor_history"))


def kinds(world):
    return {c["kind"] for c in world.erasure()["erasure"]["copies"]}


def a_quarter_of_an_hour_passes(world):
    """For whatever was begun to be written."""
    world.sql("update public.storage_writes set begun_at = begun_at - interval '16 minutes'")
