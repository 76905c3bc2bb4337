"""One call of each function, at each size in turns, so that whatever else the machine is doing befalls all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from .recipes import NOT_MEASURED, RECIPES, Recipe, State

CALLS = 15
# Not counted: plans are made, pages are read.
FIRST_CALLS = 3
# A function that seems to grow is measured so often.
TIMES = 3
MOST_TIMES_AS_MUCH = 1.5
# Milliseconds. Two calls of one and the same function differ by as much on a machine that others use.
NOT_COUNTED = 0.3


@dataclass
class Measured:
    recipe: Recipe
    milliseconds: dict[int, float] = field(default_factory=dict)  # by size: the median
    wrong: str = ""

    @property
    def ratio(self) -> float:
        """The cost at the dearest size, as a multiple of that at the smallest."""
        return max(self.milliseconds.values()) / self.milliseconds[min(self.milliseconds)]

    @property
    def grows(self) -> bool:
        more = max(self.milliseconds.values()) - self.milliseconds[min(self.milliseconds)]
        return self.ratio > MOST_TIMES_AS_MUCH and more > NOT_COUNTED


def forgotten(connection: psycopg.Connection) -> list[str]:
    """Functions of schema public for which there is neither a recipe nor a reason, and recipes for functions that there are not."""
    there = {name for (name,) in connection.execute("select proname from pg_proc where pronamespace = 'public'::regnamespace").fetchall()}
    return sorted(there ^ ({recipe.function for recipe in RECIPES} | set(NOT_MEASURED)))


def measure(recipe: Recipe, databases: dict[int, psycopg.Connection], calls: int = CALLS, first_calls: int = FIRST_CALLS) -> Measured:
    """`databases` has a superuser's connection to each, by size. A function that seems to grow is measured again: one that does, grows each time."""
    for _ in range(TIMES):
        measured = _measured(recipe, databases, calls, first_calls)
        if measured.wrong or not measured.grows:
            break
    return measured


def _measured(recipe: Recipe, databases: dict[int, psycopg.Connection], calls: int, first_calls: int) -> Measured:
    measured, times = Measured(recipe), {size: [] for size in databases}
    try:
        for number in range(first_calls + calls):
            for size, connection in databases.items():
                milliseconds = _one_call(recipe, connection, size)
                if number >= first_calls:
                    times[size].append(milliseconds)
    except (psycopg.Error, WrongAnswer, LookupError, AssertionError) as error:
        measured.wrong = f"{type(error).__name__}: {error}".splitlines()[0]
        return measured
    measured.milliseconds = {size: statistics.median(each) for size, each in times.items()}
    return measured


class WrongAnswer(Exception):
    """The call did something else than it was to be measured for."""


def _one_call(recipe: Recipe, connection: psycopg.Connection, size: int) -> float:
    with _prepared(recipe, connection, size) as call:
        began = time.perf_counter()
        call()
        return (time.perf_counter() - began) * 1000


def rows_read(recipe: Recipe, connection: psycopg.Connection, size: int) -> int:
    """The rows that one call reads. It takes an index wherever it can use one, as it would on large tables."""
    with _prepared(recipe, connection, size) as call:
        # PostgreSQL does not count rows that it reads in an index alone.
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_indexonlyscan = off")
        before = _rows_read_so_far(connection)
        call()
        return _rows_read_so_far(connection) - before


def _rows_read_so_far(connection: psycopg.Connection) -> int:
    counted = "select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
    return int(connection.execute(counted).fetchone()[0])


@contextmanager
def _prepared(recipe: Recipe, connection: psycopg.Connection, size: int) -> Iterator[Callable[[], None]]:
    """The call of a recipe, in a state in which it can be made. All of it is rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute("set local role service_role")
        arguments = recipe.arguments(State(connection, size))
        statement = f"select public.{recipe.function}({', '.join(['%s'] * len(arguments))})"

        def call() -> None:
            outcome = connection.execute(statement, arguments).fetchone()[0]["outcome"]
            if outcome != recipe.outcome:
                raise WrongAnswer(f"{outcome} and not {recipe.outcome}")

        yield call


def table(all_measured: list[Measured], sizes: list[int]) -> str:
    """Medians in milliseconds, by function and size."""
    width = max(len(measured.recipe.name) for measured in all_measured)
    lines = [f"{'ms, the median':<{width}} " + " ".join(f"{size:>11,}" for size in sizes) + f" {'ratio':>7}"]
    for measured in all_measured:
        if measured.wrong:
            lines.append(f"{measured.recipe.name:<{width}} {measured.wrong}")
            continue
        figures = " ".join(f"{measured.milliseconds[size]:>11.2f}" for size in sizes)
        lines.append(f"{measured.recipe.name:<{width}} {figures} {measured.ratio:>7.2f}{'  grows' if measured.grows else ''}")
    return "\n".join(lines)
