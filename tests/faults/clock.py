"""The time of a lane: how late its database and its queues believe it is.

Queues delay for minutes and leases last longer still, so waiting for them in real time is out of the question. PostgreSQL's
`clock_timestamp()`, which decides leases and expiry, is therefore replaced by one whose hands can be moved. It has to be done before
the migrations run: defaults of columns keep the function that they were made with.

The clocks of the functions and of Twilio cannot be moved. So in every lane the database's clock is ahead of theirs by all the time that has
passed in the lane. A test of its own shows that a clock which is minutes further off changes nothing.
"""

from __future__ import annotations

import time
from datetime import datetime

import psycopg

# Renamed, not replaced: PostgreSQL calls a built-in function by its number and never looks at what stands under its name.
ADJUSTABLE = """
alter function pg_catalog.clock_timestamp() rename to real_clock_timestamp;
create schema clock;
create table clock.hands (began timestamptz not null, ahead interval not null, rate double precision not null);
insert into clock.hands values (pg_catalog.real_clock_timestamp(), '0', 1);
grant usage on schema clock to public;
grant select on clock.hands to public;
create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile as $$
  select h.began + (pg_catalog.real_clock_timestamp() - h.began) * h.rate + h.ahead from clock.hands h
$$;
"""


class Clock:
    """`database_url` must be a superuser's. `rate`: how much faster than real time it runs; `ahead`: by how many seconds the database's is wrong."""

    def __init__(self, database_url: str, rate: float = 1, ahead: float = 0):
        self._database = psycopg.connect(database_url, autocommit=True)
        self._began, self._rate, self._passed = time.monotonic(), rate, 0.0
        self._database.execute(
            "update clock.hands set began = pg_catalog.real_clock_timestamp(), rate = %s, ahead = make_interval(secs => %s)", [rate, ahead]
        )

    def close(self) -> None:
        self._database.close()

    def go_on(self, passed: float, database_time: datetime) -> None:
        """Sets the clock to the time at which another lane ended."""
        self._passed = passed
        self._database.execute("update clock.hands set ahead = %s - began", [database_time])

    def database_time(self) -> datetime:
        return self._database.execute("select clock_timestamp()").fetchone()[0]

    def now(self) -> float:
        """Seconds since the lane began."""
        return (time.monotonic() - self._began) * self._rate + self._passed

    def real(self, seconds: float) -> float:
        """The number of real seconds for so many of the lane."""
        return seconds / self._rate

    def pass_time(self, seconds: float) -> None:
        """Makes it that much later at once, for the database too."""
        self._passed += seconds
        self._database.execute("update clock.hands set ahead = ahead + make_interval(secs => %s)", [seconds])
