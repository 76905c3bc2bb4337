"""The plot of docs/scale.md: three small charts over time, in SVG. The axis of time is that of its square root, since some campaigns take minutes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from .limits import HOUR
from .simulation import Outcome

WIDTH, HEIGHT, LEFT, TOP, GAP, LINE = 800, 150, 60, 10, 45, 18
# Hours at which the axis of time has a mark; the last one is its end.
HOURS = (0, 0.25, 1, 2, 4, 8, 16, 28)
# Points of one line: more would be smaller than a pixel.
POINTS = 200
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")


@dataclass(frozen=True)
class Chart:
    """One chart. `column` is that of the history which it shows."""

    title: str
    column: int


CHARTS = (Chart("voices at the vendor", 1), Chart("messages that wait", 2), Chart("samples sent", 3))


def svg(outcomes: list[Outcome]) -> str:
    """The same text for the same outcomes."""
    legend = TOP + LINE * len(outcomes)
    width, height = LEFT + WIDTH + 20, legend + len(CHARTS) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, outcome in enumerate(outcomes):
        y = TOP + LINE * number + 8
        parts.append(f'<path d="M{LEFT} {y}h20" stroke="{COLOURS[number]}" stroke-width="2"/><text x="{LEFT + 26}" y="{y + 4}">{outcome.scenario.name}</text>')
    for row, chart in enumerate(CHARTS):
        parts += _chart(chart, outcomes, legend + row * (HEIGHT + GAP) + 22)
    return "\n".join([*parts, "</svg>", ""])


def _chart(chart: Chart, outcomes: list[Outcome], top: int) -> list[str]:
    most = max(point[chart.column] for outcome in outcomes for point in outcome.history)
    parts = [
        f'<text x="{LEFT}" y="{top - 4}">{chart.title}</text>',
        f'<path d="M{LEFT} {top}v{HEIGHT}h{WIDTH}" fill="none" stroke="#666"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:,}</text><text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
    ]
    for hours in HOURS:
        text = f"{hours} h" if hours == int(hours) else f"{int(60 * hours)} min"
        parts.append(f'<text x="{_x(hours * HOUR):.0f}" y="{top + HEIGHT + 15}" text-anchor="middle">{text}</text>')
    for number, outcome in enumerate(outcomes):
        points = " ".join(f"{_x(point[0]):.1f},{top + HEIGHT * (1 - point[chart.column] / most):.1f}" for point in _thinned(outcome.history))
        parts.append(f'<polyline fill="none" stroke="{COLOURS[number]}" stroke-width="1.5" points="{points}"/>')
    return parts


def _x(seconds: float) -> float:
    return LEFT + WIDTH * sqrt(seconds / (HOURS[-1] * HOUR))


def _thinned(history: list) -> list:
    """Not more points than the line needs, the last one among them."""
    return [*history[: -1 : -(-len(history) // POINTS)], history[-1]]
