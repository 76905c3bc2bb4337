"""The bill of one job by services, in dollars."""

from __future__ import annotations

from math import ceil

from .model import ASSUMED, JOBS, MEASURED, PRICES, Work, size_of, template

GB = 1e9
RETRY_AFTER = 5  # seconds, in the answer 202
ITEMS = ("API Gateway", "Lambda, requests", "Lambda, seconds", "SQS", "logs", "Secrets Manager, reads", "data out")


def bill(works: list[Work], jobs: list[str], requests: int, messages: int, out: float) -> dict[str, float]:
    """`jobs`: whose log lines count. A message is sent, received and deleted. `out`: bytes to the internet."""
    logged = [MEASURED["jobs"][job] for job in jobs]
    log = sum(job["log bytes"] + job["log lines"] * ASSUMED["bytes_of_a_log_line"] for job in logged)
    log += requests * (ASSUMED["bytes_of_an_access_line"] + ASSUMED["bytes_of_a_log_line"])
    dollars = (
        requests * PRICES["http_api"]["request"],
        len(works) * PRICES["lambda"]["request"],
        sum(work.dollars(size_of(work.function)) for work in works),
        3 * messages * PRICES["sqs"]["request"],
        log / GB * PRICES["cloudwatch"]["log_gb"],
        sum(work.secrets for work in works) * ASSUMED["cold_share"] * PRICES["secrets"]["read"],
        out / GB * PRICES["transfer"]["out_gb"],
    )
    return dict(zip(ITEMS, dollars))


def bills() -> dict[str, dict[str, float]]:
    """By what is counted, and who does it."""
    return {
        "a callback": bill([JOBS.callback], ["a callback"], 1, 1, 0),
        "a callback, peer": bill([JOBS.peers_callback], [], 1, 1, 0),
        "a recording stored": bill([JOBS.ingest], ["a recording is stored"], 0, 0, JOBS.call_bytes),
        "a clone": bill([JOBS.request, JOBS.clone], ["a clone is asked for", "a voice is made"], 1, 1, ASSUMED["sample_bytes"]),
        "a clone, peer": bill([JOBS.peers_clone], [], 1, 0, JOBS.call_bytes / 2),
    }


def by_the_month() -> dict[str, float]:
    """The bill of a month in which nothing is asked for."""
    types = [resource["Type"] for resource in template()["Resources"].values()]
    queues, alarms = types.count("AWS::Lambda::EventSourceMapping"), types.count("AWS::CloudWatch::Alarm")
    secrets = sum(name.endswith("SecretArn") for name in template()["Parameters"])
    cloudwatch, sweeps = PRICES["cloudwatch"], 30 * 24 * 4
    return {
        f"{alarms} alarms": alarms * cloudwatch["alarm_month"],
        f"{MEASURED['metrics']} metrics, if each is written in every hour": MEASURED["metrics"] * cloudwatch["metric_month"],
        "the dashboard": cloudwatch["dashboard_month"],
        f"{secrets} secrets": secrets * PRICES["secrets"]["secret_month"],
        f"looks into {queues} empty queues": queues * ASSUMED["empty_receives_a_month"] * PRICES["sqs"]["request"],
        "a sweep each 15 minutes": sweeps * (PRICES["lambda"]["request"] + JOBS.sweep.dollars(size_of("voice-sweeper"))),
    }


def waits() -> list[tuple[dict, float, float, float]]:
    """Of each measured wait: the measurement; GB-seconds and dollars of waiting; and dollars of a 202 and a look after each Retry-After."""
    rows, size = [], size_of("clone-voice")
    request = PRICES["http_api"]["request"] + PRICES["lambda"]["request"]
    for wait in MEASURED["waits"]:
        waited = Work("clone-voice", wait["ready"] + wait["late"], JOBS.request.cpu, JOBS.request.secrets)
        once = Work("clone-voice", ASSUMED["latency"]["database"] + ASSUMED["latency"]["SQS"], JOBS.request.cpu, JOBS.request.secrets)
        asks = 1 + ceil(wait["ready"] / RETRY_AFTER)
        rows.append((wait, waited.seconds(size) * size / 1024, request + waited.dollars(size), asks * (request + once.dollars(size))))
    return rows

