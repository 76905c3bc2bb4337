"""Each sentence of the contract, asked of the stand-ins."""

from __future__ import annotations

import psycopg
import pytest

from . import run  # noqa: F401 - the questions
from .assumption import ALL, VENDORS, assume
from .document import FILE, table
from .run import YES

# Requests to the stand-ins that the functions do not make.
BEYOND = ("POST /v1/voices/add: the whole is without name", "POST /v1/text-to-speech/")


@pytest.mark.parametrize("assumption", ALL, ids=lambda one: f"{one.vendor}: {one.sentence}")
def test_the_stand_in_answers_yes(whole, assumption):
    result = whole.results[assumption.vendor, assumption.sentence]
    assert result.answer == YES, result.why


def test_nothing_is_left_at_the_stand_ins(whole, database_url):
    assert not whole.run.left
    assert whole.left == {"voices": [], "spoken": [], "objects": []}
    with psycopg.connect(database_url) as owner:
        assert not owner.execute("select from pg_namespace where nspname ^@ 'understudy_contract'").fetchall()
        assert not owner.execute("select from pg_proc where proname ^@ 'understudy_contract'").fetchall()


def test_what_is_asked_and_answered_is_as_the_vendors_publish_it(whole):
    assert [breach["what"] for breach in whole.breaches if not breach["what"].startswith(BEYOND)] == []


def test_the_document_has_exactly_these_sentences():
    assert table() in FILE.read_text(), "python -m tests.contract --document writes it"


def test_every_vendor_is_asked_something_and_no_sentence_stands_twice():
    assert {one.vendor for one in ALL} == set(VENDORS)
    with pytest.raises(ValueError):
        assume(ALL[0].vendor, ALL[0].sentence)(lambda account: None)
    assert all(one.sentence.endswith(".") and "|" not in one.sentence for one in ALL)
