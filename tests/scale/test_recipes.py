"""The recipes fit the database: each function has one, and each does what it says."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest

from standins.postgres import Postgres

from . import measure
from .__main__ import filled
from .measure import Measured
from .recipes import NOT_MEASURED, RECIPES
from .seeding import somebody

# Just enough for a hundred voices.
SIZE = 1000
LARGE = 4 * SIZE
# Rows that a call may read more without being said to grow: a page of a list that is not full in the small database.
ONE_PAGE = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("scale")) as running:
        yield running


@pytest.fixture(scope="module")
def database(server):
    with psycopg.connect(filled(server, "scale", SIZE), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def large_database(server):
    with psycopg.connect(filled(server, "large_scale", LARGE), autocommit=True) as connection:
        yield connection


def test_every_function_that_the_bundle_may_call_is_measured_or_a_reason_says_why_not(database):
    assert measure.forgotten(database) == []
    assert all(NOT_MEASURED.values())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_call_does_what_its_recipe_says_and_leaves_nothing(database, recipe):
    before = database.execute("select count(*), max(seq) from public.voice_audit").fetchone()
    measured = measure.measure(recipe, {SIZE: database}, calls=1, first_calls=0)
    assert measured.wrong == ""
    assert database.execute("select count(*), max(seq) from public.voice_audit").fetchone() == before


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_call_reads_no_more_rows_when_there_are_four_times_as_many(database, large_database, recipe):
    few, many = measure.rows_read(recipe, database, SIZE), measure.rows_read(recipe, large_database, LARGE)
    assert many <= 1.5 * few + ONE_PAGE


def test_a_function_without_a_recipe_and_a_recipe_without_a_function_are_named(database, monkeypatch):
    monkeypatch.setattr(measure, "RECIPES", [*RECIPES[1:], dataclasses.replace(RECIPES[0], name="no_such_function")])
    with database.transaction(force_rollback=True):
        database.execute("create function public.new_one() returns int language sql return 1")
        assert set(measure.forgotten(database)) >= {"new_one", "no_such_function"}


def test_an_answer_other_than_expected_is_not_taken_for_a_measurement(database):
    wrong = dataclasses.replace(RECIPES[0], outcome="something_else")
    assert measure.measure(wrong, {SIZE: database}, calls=1, first_calls=0).wrong == "WrongAnswer: store and not something_else"


@pytest.mark.parametrize(("small", "large", "grows"), [(1.0, 1.4, False), (0.1, 0.35, False), (1.0, 1.6, True), (0.1, 0.5, True)])
def test_what_costs_half_as_much_again_grows_unless_it_is_next_to_nothing(small, large, grows):
    assert Measured(RECIPES[0], {1000: small, 100_000: large}).grows is grows


def test_what_is_seeded_is_what_the_functions_would_have_made(database):
    """Voices, mirrors, consents and erasures fit together, for whoever is looked at."""
    person = somebody("voice", SIZE)
    assert database.execute("select voice_id from public.employees where id = %s", [person.id]).fetchone() == (person.vendor_voice,)
    for wrong in (
        "select from public.employees e where e.voice_id is distinct from (select v.vendor_voice_id from public.voices v where v.employee_id = e.id and v.state = 'ready')",
        "select from public.voices v where not exists (select from public.voice_consents c where (c.org_id, c.employee_id, c.id) = (v.org_id, v.employee_id, v.consent_id))",
        "select from public.voice_erasure_copies c where not exists (select from public.voice_erasures e where e.id = c.erasure_id)",
        "select from public.recordings r where r.erased_at is not null and not understudy.is_erased(r.recording_sid)",
        "select from public.voices v where understudy.is_metadata_behind(v)",
    ):
        assert database.execute(wrong).fetchall() == [], wrong
