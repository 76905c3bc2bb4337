"""The matrix: every outside call of every flow, and everything that may befall it, once and until the message dies."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import signal
import time
import traceback
from collections import Counter, defaultdict
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator

from standins.process import end_with_parent

from .all_flows import FLOWS
from .calls import Call
from .invariants import Finding, Inspection
from .kinds import COLUMNS, Kind, kinds_for
from .lane import Ground, Lane
from .prepared import Prepared

# Receipts after which a message is given up when each takes as long as a client's patience.
SLOW_PATIENCE = 3
# The most for any message: an erasure is tried fifty times, and the last forty are like those before.
PATIENCE = 8
ADD_VOICE = "/v1/voices/add"


@dataclass(frozen=True)
class Case:
    flow: str
    call: Call
    before: Call | None  # the call to the same vendor before it, in the same invocation
    kind: Kind
    lasting: bool

    def __str__(self) -> str:
        return f"{self.flow} / {self.call.function} / {self.call.label} / {self.kind.name} / {'until it dies' if self.lasting else 'once'}"


@dataclass
class Outcome:
    case: Case
    findings: list[Finding]
    seconds: float
    log: str = ""  # of the functions, where something was found

    @property
    def letters(self) -> set[str]:
        return {finding.letter for finding in self.findings}


def undisturbed(ground: Ground, flow: str, ahead: float = 0) -> tuple[list[Call], list[Finding]]:
    """The outside calls of a flow, and the findings even so. `ahead`: see `Lane`."""
    with Lane(ground, ahead=ahead) as lane:
        run = FLOWS[flow](lane)
        _prepare(lane, run)
        run.act()
        calls = list(lane.outside.watch.calls)
        return calls, _settled(lane, run)


def run_case(ground: Ground, case: Case, ahead: float = 0) -> Outcome:
    """`ahead`: see `Lane`."""
    began, findings, log = time.monotonic(), [], ""
    try:
        # A wrong clock must be wrong from the beginning.
        with Lane(ground, ahead=ahead, prepared=None if ahead else _prepared(ground, case.flow)) as lane:
            try:
                findings = _disturbed(lane, case)
            except BaseException:
                log = lane.functions.log()
                raise
            if findings:
                log = lane.functions.log()
    except Exception as error:
        findings = [Finding("W", f"{type(error).__name__}: {error}")]
        log += traceback.format_exc()
    return Outcome(case, findings, time.monotonic() - began, log)


def _disturbed(lane: Lane, case: Case) -> list[Finding]:
    run = FLOWS[case.flow](lane)
    if lane.prepared:
        vars(run).update(pickle.loads(lane.prepared.run))
    else:
        _prepare(lane, run)
    lane.patience = (SLOW_PATIENCE if case.kind.slow else PATIENCE) if case.lasting else None
    trouble = case.kind.befalls(lane, case.call, case.before, case.lasting)
    trouble.begin()
    findings = []
    try:
        run.act()
        if not trouble.strikes:
            findings.append(Finding("W", "the fault befell nothing"))
        findings += _attempt_has_ended(lane, case)
    finally:
        trouble.end()
    lane.patience = None
    return findings + _settled(lane, run)


# The preparations of this process, by the database that the lanes begin with and by flow.
_preparations: dict[tuple[str, str], Prepared] = {}


def _prepared(ground: Ground, flow: str) -> Prepared:
    """A preparation of the flow that is not old yet."""
    kept = _preparations.get((ground.template, flow))
    if kept is None or kept.is_old:
        if kept:
            ground.forget(kept)
        with Lane(ground) as lane:
            run = FLOWS[flow](lane)
            _prepare(lane, run)
            kept = lane.keep({name: value for name, value in vars(run).items() if name not in ("lane", "scenario")})
        _preparations[ground.template, flow] = kept
    return kept


def _prepare(lane: Lane, run) -> None:
    run.prepare()
    lane.drain()
    assert not lane.functions.failures and not lane.aws.dead, "it goes wrong even before anything is done to it"
    lane.functions.make_cold()
    lane.outside.watch.forget()


def _settled(lane: Lane, run) -> list[Finding]:
    """The fault is over: an operator redrives and has fetched what was too large, people ask again, and the schedule sweeps once."""
    lane.drain()
    if lane.aws.redrive():
        lane.drain()
    if lane.scenario.database.execute("update oversized_recordings set size_limit = 0 where size_limit is null").rowcount:
        lane.sweep()
        lane.drain()
    # They come back later than that: in a function's own time, which cannot be moved, some things are tried once a minute.
    lane.functions.make_cold()
    run.again()
    lane.drain()
    lane.pass_time(20 * 60)
    swept = lane.sweep()
    lane.drain()
    run.check()
    return Inspection(lane, run.world).inspect() + ([] if swept else [Finding("W", "the sweep fails")])


def _attempt_has_ended(lane: Lane, case: Case) -> list[Finding]:
    """A vendor's no ends the attempt with a code, and "not now" does not."""
    error = case.kind.error
    if case.lasting or error is None or error.ends is None or case.call.path != ADD_VOICE:
        return []
    state, code = lane.rows("select state, code from voices order by number desc limit 1")[0]
    if error.ends and (state != "failed" or code is None):
        return [Finding("W", f"refused for good, the attempt is {state}")]
    if not error.ends and state != "ready":
        return [Finding("W", f"the vendor was only busy, and the attempt is {state}, {code}")]
    return []


# -- all of them -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lanes:
    """Processes, each for one lane at a time: a few in which something happens all the time, and more in which mostly somebody waits."""

    quick: ProcessPoolExecutor
    slow: ProcessPoolExecutor

    def run(self, ground: Ground, case: Case, ahead: float = 0) -> Future[Outcome]:
        is_slow = case.kind.slow or FLOWS[case.flow].waits
        return (self.slow if is_slow else self.quick).submit(run_case, ground, case, ahead)

    def undisturbed(self, ground: Ground, flows: list[str], ahead: float = 0) -> Iterator[tuple[list[Call], list[Finding]]]:
        return self.quick.map(undisturbed, [ground] * len(flows), flows, [ahead] * len(flows))


def find_cases(ground: Ground, lanes: Lanes, flows: list[str]) -> tuple[list[Case], dict[str, list[Finding]]]:
    """Every case of these flows, and the findings in flows that nothing is done to."""
    cases, wrong = [], {}
    for flow, (calls, findings) in zip(flows, lanes.undisturbed(ground, flows)):
        wrong[flow] = findings
        for position, call in enumerate(calls):
            if call.function not in FLOWS[flow].functions or not FLOWS[flow].calls.search(call.label):
                continue
            same = [c for c in calls[:position] if (c.vendor, c.invocation) == (call.vendor, call.invocation)]
            for kind in kinds_for(call):
                # A vendor's code for good is of interest where it decides what becomes of an attempt.
                lastings = (False, True) if kind.error is None or call.path == ADD_VOICE else (False,)
                cases += [Case(flow, call, same[-1] if same else None, kind, lasting) for lasting in lastings]
    return cases, wrong


@contextmanager
def lanes(quick: int, slow: int) -> Iterator[Lanes]:
    """So many lanes of each kind. When we are interrupted they end at once, and what is in them with them."""
    context = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(number, mp_context=context, initializer=_begin_process) for number in (quick, slow)]
    try:
        yield Lanes(*pools)
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _begin_process() -> None:
    end_with_parent()
    # Nearly nothing that a lane makes is garbage in a circle; looking for it costs more than it frees.
    gc.freeze()
    gc.set_threshold(100_000)
    # Ctrl-C is for the one that started us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_cases(ground: Ground, lanes: Lanes, cases: list[Case], done=lambda outcome: None) -> list[Outcome]:
    """In the order of `cases`. `done` is called with each outcome when it is there."""
    futures = {lanes.run(ground, case): number for number, case in enumerate(cases)}
    outcomes: list[Outcome | None] = [None] * len(cases)
    for future in as_completed(futures):
        outcomes[futures[future]] = future.result()
        done(future.result())
    return outcomes


# -- the table -------------------------------------------------------------------------------------------------------------


def table(outcomes: list[Outcome]) -> str:
    """A row for each call, a column for each fault: first once, then until the message dies."""
    cells: dict = defaultdict(lambda: defaultdict(set))
    for outcome in outcomes:
        case = outcome.case
        cells[(case.flow, case.call)][(case.kind.column, case.lasting)] |= outcome.letters or {"·"}
    lines, last = [], None
    width = max((len(call.label) for _, call in cells), default=0)
    for (flow, call), row in cells.items():
        if (flow, call.function) != last:
            last = flow, call.function
            head = f"{flow}: {call.function}"
            lines += ["", f"{head:<{width}} " + " ".join(f"{name:>9}" for name in COLUMNS)]
        shown = [f"{_cell(row, name):>9}" for name in COLUMNS]
        lines.append(f"{call.label:<{width}} " + " ".join(shown))
    return "\n".join(lines[1:])


def _cell(row: dict, column: str) -> str:
    def letters(lasting: bool) -> str:
        found = row.get((column, lasting), {" "})
        return "".join(sorted(found - {"·"})) or next(iter(found))

    return f"{letters(False)} {letters(True)}"


def summary(outcomes: list[Outcome]) -> str:
    counts = Counter(letter for outcome in outcomes for letter in outcome.letters)
    return f"{len(outcomes)} cases: {counts['L']} lost, {counts['D']} doubled, {counts['O']} orphaned, {counts['W']} wrong"
