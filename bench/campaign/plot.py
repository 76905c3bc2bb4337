"""The plot of docs/scale.md: three small charts over time, in SVG."""

from __future__ import annotations

from dataclasses import dataclass

from .limits import HOUR
from .simulation import Outcome

WIDTH, HEIGHT, LEFT, TOP, GAP = 800, 150, 60, 40, 50
# Points of one line: more would be smaller than a pixel.
POINTS = 200
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@dataclass(frozen=True)
class Chart:
    """One chart. `column` is that of the history which it shows."""

    title: str
    column: int


CHARTS = (Chart("voices at the vendor", 1), Chart("messages that wait", 2), Chart("samples sent", 3))


def svg(outcomes: list[Outcome], hours: int) -> str:
    """The same text for the same outcomes. `hours` is the length of the axis of time."""
    height = TOP + len(CHARTS) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{LEFT + WIDTH + 20}" height="{height}" fill="white"/>',
    ]
    for number, outcome in enumerate(outcomes):
        x = LEFT + number * 95
        parts.append(f'<path d="M{x} 16h20" stroke="{COLOURS[number]}" stroke-width="2"/><text x="{x + 26}" y="20">{outcome.scenario.name}</text>')
    for row, chart in enumerate(CHARTS):
        parts += _chart(chart, outcomes, hours, TOP + row * (HEIGHT + GAP) + 10)
    return "\n".join([*parts, "</svg>", ""])


def _chart(chart: Chart, outcomes: list[Outcome], hours: int, top: int) -> list[str]:
    most = max(point[chart.column] for outcome in outcomes for point in outcome.history)
    parts = [
        f'<text x="{LEFT}" y="{top - 4}">{chart.title}</text>',
        f'<path d="M{LEFT} {top}v{HEIGHT}h{WIDTH}" fill="none" stroke="#666"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:,}</text><text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
    ]
    for hour in range(0, hours + 1, max(1, hours // 8)):
        x = LEFT + WIDTH * hour / hours
        parts.append(f'<text x="{x:.0f}" y="{top + HEIGHT + 15}" text-anchor="middle">{hour} h</text>')
    for number, outcome in enumerate(outcomes):
        parts.append(f'<polyline fill="none" stroke="{COLOURS[number]}" stroke-width="1.5" points="{_points(outcome, chart.column, hours, most, top)}"/>')
    return parts


def _points(outcome: Outcome, column: int, hours: int, most: int, top: int) -> str:
    history = [point for point in outcome.history if point[0] <= hours * HOUR]
    step = -(-len(history) // POINTS)
    shown = [*history[:-1:step], history[-1]]
    return " ".join(f"{LEFT + WIDTH * point[0] / (hours * HOUR):.1f},{top + HEIGHT * (1 - point[column] / max(most, 1)):.1f}" for point in shown)
