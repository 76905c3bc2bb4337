"""The database's decisions as Rust knows them (`shared/src/referee/decisions.txt`, which a unit test there compares with its calls), and as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

LISTING = Path(__file__).parents[2] / "shared/src/referee/decisions.txt"
# For operators: no function of the bundle asks for these.
NOT_ASKED_FOR = {"describe_database", "verify_audit"}
OUTCOMES = re.compile(r"(?:^|\. )Outcomes: ([a-z_]+(?:, [a-z_]+)*)\.$")
LITERAL = re.compile(r"'([a-z_]+)'")


@dataclass(frozen=True)
class Asked:
    """A decision as Rust asks for it."""

    arguments: set[str]
    outcomes: set[str]
    or_refusal: bool


@dataclass(frozen=True)
class Function:
    """A function as the database has it."""

    arguments: list[str]
    defaults: int
    comment: str
    body: str
    gives_json: bool
    is_for_the_bundle: bool

    @property
    def outcomes(self) -> set[str]:
        """Those that its comment lists."""
        return _words(OUTCOMES.search(self.comment).group(1))


def _words(text: str) -> set[str]:
    return set(text.split(", ")) - {""}


@pytest.fixture(scope="module")
def listing() -> dict[str, str]:
    return dict(re.findall(r"^(.+?): (.+)$", LISTING.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def asked(listing) -> dict[str, Asked]:
    decisions = {}
    for call, outcomes in listing.items():
        if found := re.fullmatch(r"(\w+)\((.*)\)", call):
            known, or_refusal = re.subn(", or a refusal$", "", outcomes)
            decisions[found[1]] = Asked(_words(found[2]), _words(known), bool(or_refusal))
    assert len(decisions) > 40, "the listing cannot be read"
    return decisions


@pytest.fixture(scope="module")
def refusals(listing) -> set[str]:
    return _words(listing["a refusal"])


@pytest.fixture
def functions(world) -> dict[str, list[Function]]:
    """Every function of ours by its name; only internal ones share a name."""
    rows = world.sql("""
        select p.proname, p.proargnames, p.proargmodes::text[] as modes, p.pronargs, p.pronargdefaults, p.prosrc,
          coalesce(obj_description(p.oid, 'pg_proc'), '') as comment,
          p.prorettype = 'jsonb'::regtype as gives_json,
          n.nspname = 'public' and p.prosecdef and has_function_privilege('service_role', p.oid, 'execute') as is_for_the_bundle
        from pg_proc p
        join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('public', 'understudy')
    """)
    found: dict[str, list[Function]] = {}
    for row in rows:
        inward = [name for name, mode in zip(row["proargnames"] or [], row["modes"] or ["i"] * row["pronargs"]) if mode == "i"]
        found.setdefault(row["proname"], []).append(
            Function(inward, row["pronargdefaults"], row["comment"], row["prosrc"], row["gives_json"], row["is_for_the_bundle"])
        )
    return found


@pytest.fixture
def decisions(functions) -> dict[str, Function]:
    return {
        name: function for name, overloads in functions.items() for function in overloads
        if function.is_for_the_bundle and name not in NOT_ASKED_FOR
    }


def test_the_bundle_asks_for_every_decision_that_it_may_and_for_no_other(asked, decisions):
    assert asked.keys() == decisions.keys()


def test_each_decision_gets_all_that_it_needs_and_nothing_that_it_does_not_know(asked, decisions):
    for name, function in decisions.items():
        needed = function.arguments[: len(function.arguments) - function.defaults]
        assert set(needed) <= asked[name].arguments <= set(function.arguments), name


def test_each_decision_lists_its_outcomes_in_one_form(decisions):
    assert [name for name, function in decisions.items() if not OUTCOMES.search(function.comment)] == []


def test_each_outcome_is_known_where_it_is_asked_for(asked, decisions, refusals):
    for name, function in decisions.items():
        assert asked[name].outcomes <= function.outcomes, name
        others = function.outcomes - asked[name].outcomes
        assert others <= (refusals if asked[name].or_refusal else set()), name


def _arguments(call: str) -> list[str]:
    """Of a call's text from behind its opening parenthesis on."""
    arguments, depth, is_quoted = [""], 0, False
    for character in call:
        is_quoted ^= character == "'"
        depth += 0 if is_quoted else (character in "([") - (character in ")]")
        if depth < 0:
            break
        if character == "," and depth == 0 and not is_quoted:
            arguments.append("")
        else:
            arguments[-1] += character
    return arguments


def _stated_outcomes(body: str) -> set[str]:
    """The outcomes that a body says outright: in an answer, as the code of a refusal, or in a variable of that name."""
    answers = re.findall(r"'outcome',\s*('[a-z_]+'|case .*? end\b)", body, re.DOTALL)
    variables = re.findall(r"\bv_outcome\s*:=\s*([^;]+);", body)
    refused = [_arguments(body[call.end():])[4] for call in re.finditer(r"understudy\.refuse\(", body)]
    return {word for text in answers + variables + refused for word in LITERAL.findall(text)}


def _reached(functions, name: str, counts=lambda function: True) -> list[Function]:
    """A function, and whatever it calls of those that count."""
    reached, waiting = {}, [name]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = [function for function in functions.get(name, []) if counts(function)]
            bodies = " ".join(function.body for function in reached[name])
            waiting += re.findall(r"\b(?:public|understudy)\.(\w+)\(", bodies)
    return [function for overloads in reached.values() for function in overloads]


def test_each_outcome_that_a_body_states_is_documented(functions, decisions):
    for name, function in decisions.items():
        # An answer is passed on only by what gives one itself.
        answering = _reached(functions, name, lambda one: one.gives_json)
        stated = set().union(*(_stated_outcomes(one.body) for one in answering))
        assert stated <= function.outcomes, name


def test_each_outcome_that_is_documented_stands_in_a_body(functions, decisions):
    for name, function in decisions.items():
        words = {word for one in _reached(functions, name) for word in LITERAL.findall(one.body)}
        assert function.outcomes <= words, name
