"""The numbers that a campaign depends on: what the deployment sets, what the vendor's plan allows, and how long each step takes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from statistics import median

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Deployment:
    """Values of template.yaml, and constants of the code and of the SQL. Times in seconds."""

    # Parameters of the template.
    campaign_maximum_concurrency: int = 2
    api_rate_limit: int = 50
    api_burst_limit: int = 100
    sweep_rate: int = 15 * MINUTE
    # CampaignQueue and clone-worker in the template.
    maximum_receives: int = 50
    visibility_timeout: int = 1800
    worker_timeout: int = 300
    # functions/clone-voice/src/campaign.rs and handler.rs.
    employees_of_a_request: int = 500
    database_calls_at_once: int = 8
    patience: int = 25
    # shared/src/queue.rs.
    messages_sent_at_once: int = 16
    first_delay: int = 10
    longest_delay: int = 900
    delay_spread: float = 0.2
    # functions/clone-worker/src/handler.rs, and understudy.lease_grace().
    lease_margin: int = 30
    lease_grace: int = 60
    # understudy.most_uploads() and most_turned_away(), time_out_requests and unfinished_attempts; LIMIT in functions/voice-sweeper/src/sweep.rs.
    most_uploads: int = 10
    most_turned_away: int = 200
    request_times_out_after: int = 24 * HOUR
    campaign_is_swept_after: int = 6 * HOUR
    swept_again_after: int = 1 * HOUR
    given_back_before: int = 19 * MINUTE
    swept_at_once: int = 100
    # CampaignQueueAgeAlarm in the template.
    queue_age_alarm: int = 6 * HOUR
    # organization_voice_settings.max_voices; None is its default: any number.
    max_voices: int | None = None

    def delay(self, receipts: int) -> int:
        """The delay of a message that failed, after so many receipts, on average: chance spreads it by `delay_spread`."""
        return min(self.first_delay * 2 ** min(receipts - 1, 10), self.longest_delay)


@dataclass(frozen=True)
class Plan:
    """The limits of an ElevenLabs account when the campaign begins: requests at once, free slots, additions left this month."""

    name: str
    at_once: int
    slots: int
    additions: int | None = None


@dataclass(frozen=True)
class Assumed:
    """A step's time in seconds, of which only the shortest, the longest and the most frequent are assumed."""

    shortest: float
    longest: float
    most_frequent: float

    def drawn(self, random: Random) -> float:
        return random.triangular(self.shortest, self.longest, self.most_frequent)


@dataclass(frozen=True)
class Measured:
    """A step's times in seconds as they were measured. Each of them is as likely as the others."""

    seconds: tuple[float, ...]

    def drawn(self, random: Random) -> float:
        return random.choice(self.seconds)

    def __str__(self) -> str:
        return f"{median(self.seconds):.2f} s ({min(self.seconds):.2f} to {max(self.seconds):.2f})"


@dataclass(frozen=True)
class Durations:
    """The times of the steps, in seconds. Those that are one number hardly differ."""

    # One call of the database over PostgREST, as the functions see it; clone-voice asks with eight at once, and they wait for each other.
    database: float = 0.03
    request_clone: float = 0.05
    send_message: float = 0.02
    # Reading 10 MB of Storage (a call of five minutes) and computing the sample: 0.24 s of processor (bench/RESULTS.md: 0.14 s for two minutes,
    # and 0.03 s for each further minute) on the 0.29 of a processor that Lambda gives to 512 MB.
    sample: Assumed | Measured = Assumed(1.0, 3.0, 1.4)
    # POST /v1/voices/add with 2 MB. The vendor states no time.
    add_voice: Assumed | Measured = Assumed(2.0, 12.0, 3.0)
    # Any small request to ElevenLabs, also one that is refused.
    vendor: float = 0.2
    # The metadata in Storage.
    metadata: float = 0.1


@dataclass(frozen=True)
class Scenario:
    """One campaign. The shares are of employees, of requests to the API, and of voices that the vendor has made."""

    name: str
    plan: Plan
    deployment: Deployment = Deployment()
    durations: Durations = Durations()
    employees: int = 10_000
    without_consent: float = 0.02
    short_samples: float = 0.01
    failed_requests: float = 0.05
    lost_answers: float = 0.001
    killed_workers: float = 0.0005
    seed: int = 1

    @property
    def letter(self) -> str:
        return self.name[0]


class Chance:
    """Random numbers that are the same on every machine: no logarithm or sine is in them, whose last digit a C library may choose."""

    def __init__(self, seed: int):
        self._random = Random(seed)

    def happens(self, share: float) -> bool:
        return self._random.random() < share

    def seconds(self, times: Assumed | Measured) -> float:
        return times.drawn(self._random)

    def spread(self, seconds: float, share: float) -> float:
        """As many seconds on average, and up to this share more or less."""
        return seconds * (1 - share + 2 * share * self._random.random())
