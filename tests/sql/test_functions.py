"""The rules that every function keeps, and the list of their guards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.migration import SUPABASE

from .mutants import MUTANTS, broken

# One screen.
MOST_LINES = 60


def test_every_function_fits_on_a_screen(world):
    functions = world.sql(
        """select p.oid::regprocedure::text as name, pg_get_functiondef(p.oid) as definition
           from pg_proc p where p.pronamespace::regnamespace::text in ('public', 'understudy')"""
    )
    assert len(functions) > 100
    assert [f["name"] for f in functions if len(f["definition"].strip().splitlines()) > MOST_LINES] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_guard_that_is_to_be_broken_is_there_and_so_is_the_test_that_notices(world, mutant):
    """`python -m tests.sql.mutants` takes long and runs seldom; a guard that has moved is found at once."""
    if mutant.place.endswith(".sql"):
        guarded = (SUPABASE / "schemas" / mutant.place).read_text()
    else:
        guarded = world.value("select pg_get_functiondef(%s::regproc)", mutant.place)
    assert broken(guarded, mutant) != guarded
    file, _, test = mutant.test.partition("::")
    assert re.search(rf"^def {test}\(", (Path(__file__).parent / file).read_text(), re.MULTILINE)
