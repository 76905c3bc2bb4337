"""Statements: the current one of a locale, and that none is ever edited."""

from __future__ import annotations

import datetime
import hashlib

import psycopg
import pytest
from psycopg.types.json import Jsonb

from .world import SHA


def add(world, locale, version, text="Text", purposes=("voice_clone",), year=2027, descriptions=None):
    world.sql(
        "insert into public.voice_consent_statements (locale, version, text, sha256, purposes, purpose_descriptions, retention, created_at)"
        " values (%s, %s, %s, %s, %s, %s, 'three years', %s)",
        locale, version, text, hashlib.sha256(text.encode()).hexdigest(), list(purposes),
        Jsonb({purpose: f"{text}: {purpose}" for purpose in purposes} if descriptions is None else descriptions),
        datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc),
    )


def current(world, locale):
    return world.rpc("current_consent_statement", locale)["statement"]


def test_an_english_statement_comes_with_the_migrations_and_its_hash_is_that_of_its_text(world):
    statement = current(world, "en")
    assert (statement["locale"], statement["version"]) == ("en", "2026-11-1")
    assert statement["purposes"] == ["voice_clone", "synthetic_speech"]
    assert statement["sha256"] == hashlib.sha256(statement["text"].encode()).hexdigest()
    assert "withdraw at any time" in statement["text"] and "three years" in statement["retention"]


def test_the_statement_says_that_the_evidence_is_kept_and_for_how_long_the_database_keeps_it(world):
    statement = current(world, "en")
    assert world.value("select understudy.proof_period() = interval '3 years'")
    for text in (statement["text"], statement["retention"]):
        assert "the recording of th" in text and "three years after th" in text
    assert "if I signed a paper, that paper" in statement["text"] and "the signed paper" in statement["retention"]


def test_every_purpose_is_described_in_the_statement(world):
    statement = current(world, "en")
    assert set(statement["purpose_descriptions"]) == set(statement["purposes"])
    assert all(len(text) > 50 for text in statement["purpose_descriptions"].values())


@pytest.mark.parametrize("descriptions", [{}, {"other": "x"}, {"voice_clone": ""}, {"voice_clone": None}, {"voice_clone": ["x"]}, ["voice_clone"]])
def test_a_statement_with_a_purpose_that_it_does_not_describe_is_refused(world, descriptions):
    with pytest.raises(psycopg.errors.CheckViolation):
        add(world, "fr", "1", descriptions=descriptions)


def test_a_locale_falls_back_to_its_language_and_then_to_english(world):
    add(world, "de", "1")
    add(world, "de-AT", "2", year=2020)
    found = {locale: current(world, locale)["locale"] for locale in ("de-AT", "de-at", "de-CH", "de", "fr", "en-GB", None, "?")}
    assert found == {
        "de-AT": "de-AT", "de-at": "de-AT", "de-CH": "de", "de": "de", "fr": "en", "en-GB": "en", None: "en", "?": "en",
    }


def test_the_newest_version_of_a_locale_is_the_current_one(world):
    add(world, "en", "b", year=2028)
    add(world, "en", "a", year=2028)
    add(world, "en", "z", year=2027)
    assert current(world, "en")["version"] == "b"


def test_without_any_statement_there_is_none(world):
    world.sql("alter table public.voice_consent_statements disable trigger voice_consent_statements_kept")
    world.sql("delete from public.voice_consent_statements")
    assert world.rpc("current_consent_statement", "en") == {"outcome": "statement_not_found"}
    assert world.invite("t") == {"outcome": "statement_not_found"}


@pytest.mark.parametrize("statement", [
    "update public.voice_consent_statements set text = 'x'", "delete from public.voice_consent_statements",
    "truncate public.voice_consent_statements cascade",
])
def test_a_statement_is_never_edited_even_by_the_owner(world, statement):
    with pytest.raises(psycopg.errors.IntegrityError, match="never edited"):
        world.sql(statement)


def test_a_hash_that_is_not_the_texts_is_refused(world):
    with pytest.raises(psycopg.errors.CheckViolation, match="sha256"):
        world.sql(
            "insert into public.voice_consent_statements (locale, version, text, sha256, purposes, purpose_descriptions, retention)"
            """ values ('fr', '1', 'x', repeat('0', 64), '{voice_clone}', '{"voice_clone": "x"}', 'x')"""
        )


def grant(world, version, sha256, purposes=("voice_clone",)):
    return world.rpc(
        "grant_voice_consent", world.here.admin, world.here.employee, version, sha256, "written_release",
        f"{world.here.id}/{world.here.employee}/release-17", SHA, list(purposes), world.value("select now() + interval '1 year'"), SHA,
    )


def test_a_consent_to_a_text_that_nobody_wrote_is_refused(world):
    statement = world.statement
    assert grant(world, statement["version"], "b" * 64) == {"outcome": "statement_unknown"}
    assert grant(world, "other", statement["sha256"]) == {"outcome": "statement_unknown"}
    assert world.audit() == [("consent.grant", "statement_unknown")] * 2


def test_a_consent_to_a_purpose_that_the_text_does_not_name_is_refused(world):
    statement = world.statement
    assert grant(world, statement["version"], statement["sha256"], ["voice_clone", "advertising"]) == {"outcome": "purpose_unknown"}
    assert world.sql("select * from public.voice_consents") == []


def test_an_older_statement_and_one_of_another_locale_can_still_be_agreed_to(world):
    statement = world.statement
    add(world, "de", "1", "Deutsch")
    add(world, "en", "new")
    assert grant(world, statement["version"], statement["sha256"])["outcome"] == "granted"
    assert grant(world, "1", hashlib.sha256(b"Deutsch").hexdigest())["outcome"] == "granted"
