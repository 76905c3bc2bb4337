"""Storage keys and their parts: nothing is written where an id is missing."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize("sid", ["", "RE", HEX, f"RE{HEX[:-1]}", f"RE{HEX}0", f"CA{HEX}", f"re{HEX}", f"RE{HEX[:-1]}/", "RE/../x", f"RE{HEX}\n"])
def test_what_is_no_recording_sid_is_kept_nowhere(world, sid):
    call = world.call(world.here.employee)
    listed = [{"recording_sid": sid, "call_sid": call, "created_at": "2026-01-01T00:00:00Z"}]
    for ask in (
        lambda: world.target(sid, call),
        lambda: world.target(sid, f"CA{HEX}"),
        lambda: world.rpc("recordings_queued", [sid]),
        lambda: world.rpc("missing_recordings", Jsonb(listed)),
        lambda: world.rpc("add_erasure_copies", world.erase()["erasure_id"], "twilio_recording", [sid]),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            ask()


def test_every_column_that_holds_a_recording_sid_has_its_grammar(world):
    columns = world.sql("""
        select table_name, domain_name from information_schema.columns
        where table_schema in ('public', 'understudy') and column_name = 'recording_sid'
    """)
    assert len(columns) >= 7
    assert {column["domain_name"] for column in columns} == {"recording_sid"}


@pytest.mark.parametrize("path", [
    "understudy.metadata_path(null)", "understudy.newest_path(null)", f"understudy.storage_path(null, null, 'RE{HEX}')",
    "'/.json'", "'/.wav'", "''",
])
def test_a_place_without_its_id_is_never_noted_to_be_written(world, path):
    attempt = world.requested()
    for recording, of_attempt in ((f"'RE{HEX}'", "null"), ("null", f"'{attempt}'")):
        with pytest.raises((psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation, psycopg.errors.InvalidTextRepresentation)):
            world.sql(f"select understudy.begin_write({path}, {recording}, null, {of_attempt})")
    assert world.sql("select from public.storage_writes") == []
