"""The table of docs/scale.md."""

from __future__ import annotations

from .simulation import Outcome

COLUMNS = [
    ("", "---"), ("at once", "--:"), ("slots", "--:"), ("workers", "--:"), ("voices", "--:"), ("refused", "---"), ("over after", "--:"),
    ("samples sent", "--:"), ("of them 429", "--:"), ("limits met, and when", "---"), ("alarms", "---"),
]  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    head = f"| {' | '.join(title for title, _ in COLUMNS)} |\n|{'|'.join(align for _, align in COLUMNS)}|"
    return "\n".join([head, *(f"| {' | '.join(_cells(outcome))} |" for outcome in outcomes)])


def duration(seconds: float) -> str:
    """In hours and minutes; below an hour in minutes, and below ten minutes in minutes and seconds."""
    if seconds < 600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _cells(outcome: Outcome) -> list[str]:
    scenario = outcome.scenario
    plan, limits = scenario.plan, scenario.deployment
    return [
        scenario.name,
        str(plan.at_once),
        f"{plan.slots:,}",
        str(limits.campaign_maximum_concurrency),
        f"{outcome.voices:,}",
        ", ".join(f"{number:,} `{code}`" for code, number in outcome.refused.most_common()),
        duration(outcome.last_answer),
        f"{outcome.uploads:,}",
        f"{outcome.busy_answers:,}",
        ", ".join(f"{limit} ({duration(at)})" for at, limit in outcome.met) or "none",
        _alarms(outcome),
    ]


def _alarms(outcome: Outcome) -> str:
    """Those that the template would ring for the campaign."""
    rung = {
        "CampaignQueueAge": outcome.longest_wait > outcome.scenario.deployment.queue_age_alarm,
        "SweepSymptoms": outcome.swept > 0,
        "CampaignDeadLetters": outcome.dead_letters > 0,
    }
    return ", ".join(f"`{alarm}`" for alarm, rings in rung.items() if rings)


