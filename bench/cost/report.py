"""The tables, in Markdown, and their place in docs/operations.md."""

from __future__ import annotations

from bench import marked

from . import bills
from .model import ASSUMED, JOBS, LIMITS, PRICES, ROOT, SIZES, architecture, fits, size_of

DOCUMENT = ROOT / "docs" / "operations.md"
# The name of the part of the document that is the tables.
PART = "make cost"


def tables() -> str:
    return "\n\n".join([_head(), _jobs(), _month(), _sizes(), _waits()])


def write() -> None:
    DOCUMENT.write_text(marked.replaced(DOCUMENT.read_text(), PART, tables()))


def documented() -> str:
    """The tables as the document has them."""
    return marked.found(DOCUMENT.read_text(), PART)


def _head() -> str:
    return (
        f"Dollars at the prices of {PRICES['day']} in {PRICES['region']} on {architecture()}, without free tiers. A typical call has"
        f" {ASSUMED['call'] // 60} minutes on two channels;\nElevenLabs takes {ASSUMED['voice']:.0f} s for a voice, and is not in here, nor are Twilio"
        f" and Supabase; {ASSUMED['cold_share']:.0%} of the requests are cold."
    )


def _jobs() -> str:
    all_bills = bills.bills()
    times = {name: 1000 if name.startswith("a clone") else 1_000_000 for name in all_bills}
    lines = [
        "| | a million callbacks | peer | a million recordings stored | a thousand clones | peer |", "|---|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for item in bills.ITEMS:
        lines.append(f"| {item} | {' | '.join(f'{times[name] * bill[item]:,.3f}' for name, bill in all_bills.items())} |")
    lines.append(f"| **all of it** | {' | '.join(f'**{times[name] * sum(bill.values()):,.2f}**' for name, bill in all_bills.items())} |")
    return "\n".join(lines)


def _month() -> str:
    month = bills.by_the_month()
    parts = "; ".join(f"{what} {dollars:.2f}" for what, dollars in month.items())
    return f"By the month, beside the jobs, {sum(month.values()):.2f}: {parts}."


def _sizes() -> str:
    """The peer's one function does both jobs."""
    head = " | ".join(f"{size} MB" for size in SIZES)
    lines = [f"| Lambda's seconds of a million | {head} | limit | takes |", f"|---|{'--:|' * len(SIZES)}---|--:|"]
    for work in [*JOBS.ours(), JOBS.peers_callback]:
        name, limit, size = work.function, LIMITS[work.function], size_of(work.function)
        cells = [_cell(f"{1e6 * work.dollars(memory):,.2f}", memory == size, fits(name, memory)) for memory in SIZES]
        takes = f"{limit.seconds(name, size):.2f} s"
        lines.append(f"| `{name}` | {' | '.join(cells)} | {limit.most} s for {limit.what} | {takes} |")
    return "\n".join([*lines, "", "Bold is what the template sets (and what the peer would); in parentheses is what is over the limit, or has less than twice the memory that was seen."])


def _cell(dollars: str, chosen: bool, allowed: bool) -> str:
    return f"**{dollars}**" if chosen else dollars if allowed else f"({dollars})"


def _waits() -> str:
    lines = [
        "| a voice is ready after | looks | the answer is late by | GB-seconds | a thousand requests that wait | a thousand that get 202 and look each 5 s |",
        "|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for wait, gb_seconds, waited, asked in bills.waits():
        cells = f"{wait['ready']:.1f} s | {wait['looks']} | {wait['late']:.1f} s | {gb_seconds:.2f} | {1000 * waited:.3f} | {1000 * asked:.3f}"
        lines.append(f"| {cells} |")
    return "\n".join(lines)
