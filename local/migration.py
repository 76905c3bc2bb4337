"""`python -m local.migration NAME`: writes the migration that brings existing databases to the state in `supabase/schemas`.

Two databases are made, one by the migrations and one by the schemas, and what `pg_dump` says of them is compared, object by object.
Functions, views, triggers, policies, comments and rights are written to a new file. All other differences (tables, columns, indexes,
constraints, types) are named and left to the author: only the author knows what is to become of the rows.

`supabase db diff` writes migrations, too, but starts its databases in Docker, which nothing here needs; and only one of its engines finds
comments and domains: https://supabase.com/docs/guides/local-development/diff-engines
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from standins.postgres import MIGRATIONS, Postgres, apply_files, apply_migrations

SUPABASE = MIGRATIONS.parent
# Roles to which a project's default privileges may have given rights on a new object.
EVERYBODY = "PUBLIC, anon, authenticated, service_role"
# The words of `pg_dump` that make each kind of object, and those that make it anew.
REPLACED = {"FUNCTION": ("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), "VIEW": ("CREATE VIEW", "CREATE OR REPLACE VIEW"),
            "TRIGGER": ("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER"), "POLICY": None, "COMMENT": None, "ACL": None}  # fmt: skip


class Object(NamedTuple):
    """An entry of a dump. Comments and rights are entries of their own."""

    kind: str
    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.schema}.{self.name}"


class Change(NamedTuple):
    """The SQL that is written, and the objects whose change has to be written by hand."""

    statements: list[str]
    by_hand: list[Object]


# -- what there is -------------------------------------------------------------------------------------------------------------


def schema_files(directory: Path = SUPABASE) -> list[Path]:
    """The files of `[db.migrations] schema_paths` in `config.toml`, in their order."""
    listed = re.search(r"^schema_paths = (\[.*?^\])", (directory / "config.toml").read_text(), re.MULTILINE | re.DOTALL)
    return [directory / path for path in ast.literal_eval(listed[1])]


def apply_schemas(url: str, directory: Path = SUPABASE) -> None:
    apply_files(url, schema_files(directory))


def objects(dump: str) -> dict[Object, str]:
    """The statements of a dump, by the object that they make, in its order."""
    dump = re.sub(r"^SET default_.*\n", "", dump.partition("\n--\n-- PostgreSQL database dump complete")[0], flags=re.MULTILINE)
    parts = re.split(r"^--\n-- Name: (.*); Type: (.*); Schema: (.*); Owner: .*\n--\n", dump, flags=re.MULTILINE)[1:]
    made: dict[Object, str] = {}
    for name, kind, schema, text in zip(*(iter(parts),) * 4):
        key = Object(kind, schema, name)
        made[key] = "\n".join(filter(None, [made.get(key), text.strip()]))
    return made


# -- what has changed ----------------------------------------------------------------------------------------------------------


def change(before: dict[Object, str], after: dict[Object, str]) -> Change:
    """The change that makes the one database into the other."""
    differing = [key for key in {**after, **before} if before.get(key) != after.get(key)]
    # `create or replace` changes neither the names of the arguments nor the type of the result.
    dropped = {key for key in differing if key.kind == "FUNCTION" and key in before and head(before[key]) != head(after.get(key, ""))}

    def goes_along(key: Object) -> bool:
        return any(belongs_to(key, function) for function in dropped)

    statements = [f"DROP FUNCTION IF EXISTS {key.schema}.{key.name};" for key in before if key in dropped]
    by_hand = []
    for key in after:
        if key.kind in REPLACED and (key in differing or goes_along(key)):
            statements.append(made_anew(key, after[key], is_new=key not in before))
        elif key in differing:
            by_hand.append(key)
    for key in before:
        if key in after or key in dropped or goes_along(key):
            continue
        if key.kind == "COMMENT":
            statements.append(before[key].partition(" IS '")[0] + " IS NULL;")
        else:
            by_hand.append(key)
    return Change(statements, by_hand)


def head(text: str) -> str:
    """A function's name, arguments and result."""
    return text.partition("\n    LANGUAGE ")[0]


def belongs_to(key: Object, function: Object) -> bool:
    """Returns whether that is a comment on, or the rights of, a function of this name."""
    name = function.name.partition("(")[0]
    return key.kind in ("COMMENT", "ACL") and key.schema == function.schema and key.name.startswith(f"FUNCTION {name}(")


def made_anew(key: Object, text: str, is_new: bool) -> str:
    if key.kind == "ACL":
        granted_on = re.search(r" ON (.*?) (?:FROM|TO) ", text)[1]
        granted = [line for line in text.splitlines() if not line.endswith(" FROM PUBLIC;")]
        return "\n".join([f"REVOKE ALL ON {granted_on} FROM {EVERYBODY};", *granted])
    if key.kind == "POLICY":
        table, _, name = key.name.partition(" ")
        return f'DROP POLICY IF EXISTS "{name}" ON {key.schema}.{table};\n{text}'
    if words := REPLACED[key.kind]:
        text = text.replace(*words, 1)
    if key.kind == "VIEW" and is_new:
        # A view that nobody may read has no entry of its rights.
        return f"{text}\n\nREVOKE ALL ON {key.schema}.{key.name} FROM {EVERYBODY};"
    return text


# -- the two databases ---------------------------------------------------------------------------------------------------------


def compare(postgres: Postgres, directory: Path = SUPABASE) -> Change:
    """The change that makes a database of the migrations into the one of the schemas."""
    migrated, declared = postgres.create_database(), postgres.create_database()
    apply_migrations(migrated, directory / "migrations")
    apply_schemas(declared, directory)
    return change(objects(postgres.dump(migrated)), objects(postgres.dump(declared)))


def write(postgres: Postgres, name: str, directory: Path = SUPABASE) -> tuple[Path | None, list[Object]]:
    """Writes the migration, if anything has changed. Returns its path, and what is left to be written by hand."""
    statements, by_hand = compare(postgres, directory)
    if not statements and not by_hand:
        return None, []
    path = directory / "migrations" / f"{datetime.now(timezone.utc):%Y%m%d%H%M%S}_{name}.sql"
    left = ["-- To be written by hand, so that it may run twice, and that rows which are there stay right:", *(f"--   {key}" for key in by_hand)]
    # A function may call one that comes after it, as in a dump.
    parts = ["\n".join(left)] * bool(by_hand) + ["SET check_function_bodies = off;", *statements]
    path.write_text("\n\n".join(parts) + "\n")
    return path, by_hand


# -- what is frozen ------------------------------------------------------------------------------------------------------------


def freeze(directory: Path = SUPABASE) -> None:
    """From now on no file of `migrations` may change: databases have run them."""
    lines = [f"{sha256(path)}  migrations/{path.name}\n" for path in sorted((directory / "migrations").glob("*.sql"))]
    (directory / "frozen.sha256").write_text("".join(lines))


def frozen(directory: Path = SUPABASE) -> dict[Path, str]:
    """The frozen migrations, each with its hash."""
    lines = (line.split("  ") for line in (directory / "frozen.sha256").read_text().splitlines())
    return {directory / name: known for known, name in lines}


def no_longer_frozen(directory: Path = SUPABASE) -> list[str]:
    """The frozen migrations that have changed, and the new ones that come before a frozen one."""
    known = frozen(directory)
    changed = [path.name for path, as_it_was in known.items() if not path.exists() or sha256(path) != as_it_was]
    early = [path.name for path in (directory / "migrations").glob("*.sql") if path not in known and path <= max(known)]
    return sorted(changed + early)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.migration", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("name", nargs="?", help="what the migration does, in lower case: narrower_consents")
    action.add_argument("--freeze", action="store_true", help="with a release: no migration that is there now may change any more")
    options = parser.parse_args(words)
    if options.freeze:
        freeze()
        return 0
    if not re.fullmatch("[a-z0-9_]+", options.name):
        parser.error("a name has lower-case letters, digits and underscores")
    with tempfile.TemporaryDirectory(prefix="understudy-migration-") as scratch, Postgres(scratch) as postgres:
        path, by_hand = write(postgres, options.name)
    if path is None:
        print("The migrations make what the schemas say: there is nothing to write.")
        return 0
    print(f"{path} is written: read it.")
    if by_hand:
        print("These differ, too, and are for you to write into it:", *(f"  {key}" for key in by_hand), sep="\n")
    return int(bool(by_hand))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
