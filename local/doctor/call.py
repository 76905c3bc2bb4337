"""`--call`: finds the channel of the person who picks up.

Twilio documents the order of the channels for calls of two legs only. So it calls the employee's number, presses keys that nobody says by
accident, and records both channels: the keys are on Twilio's side, the employee is on the other. Recording and call are deleted afterwards.
https://www.twilio.com/docs/voice/api/call-resource, https://www.twilio.com/docs/voice/twiml/play
"""

from __future__ import annotations

import time

from .deployed import Deployed
from .finding import Finding, fail, ok, warn
from .tones import NotStereo, channels, pressed

DIGITS = "159#0*7A"
# Half a second between two keys, so that echoes are over.
TWIML = f'<Response><Pause length="2"/><Play digits="{"w".join(DIGITS)}"/><Pause length="2"/><Hangup/></Response>'
# As many of them must be heard; the network may swallow the first.
ENOUGH = len(DIGITS) - 3
# Keys that are heard on both sides are on the one where they are this much louder: the other hears an echo.
LOUDER = 4
# Seconds: a minute to pick up, half a minute of keys, and Twilio's own work.
PATIENCE, PAUSE = 180, 2
OVER = {"busy", "failed", "no-answer", "canceled"}
NAME = "employee's channel, by a call"


class NoRecording(Exception):
    """There is nothing to listen to; the text says why."""


def by_call(deployment: Deployed) -> Finding:
    login = next(iter(deployment.twilio_logins.values()))
    form = {
        "To": deployment.wishes["call"], "From": deployment.wishes["from"], "Twiml": TWIML,
        "Record": "true", "RecordingChannels": "dual", "Timeout": "60", "TimeLimit": "90",
    }  # fmt: skip
    made = deployment.twilio("POST", "/Calls.json", login, data=form)
    if made.status_code != 201:
        return fail(f"Twilio does not call: {made.status_code}, code {made.json().get('code')}", "see https://www.twilio.com/docs/api/errors for the code")
    call = made.json()["sid"]
    try:
        first, second, rate = _audio(deployment, login, _recorded(deployment, login, call))
        finding = judged([pressed(first, rate), pressed(second, rate)], deployment.parameters["EmployeeChannel"])
    except (NoRecording, NotStereo) as reason:
        finding = fail(f"there is nothing to listen to: {reason}", "call somebody who picks up, waits for the tones to end, and says nothing meanwhile")
    finally:
        left = _left(deployment, login, call)
    return fail(f"{finding.found}; but {', '.join(left)} could not be deleted", "delete it in Twilio's console") if left else finding


def _left(deployment: Deployed, login: tuple[str, str], call: str) -> list[str]:
    """Deletes the call and its recordings; returns what is still there."""
    paths = [f"/Recordings/{one['sid']}.json" for one in _recordings(deployment, login, call)] + [f"/Calls/{call}.json"]
    return [path.split("/")[2].removesuffix(".json") for path in paths if deployment.twilio("DELETE", path, login).status_code not in (204, 404)]


def _recordings(deployment: Deployed, login: tuple[str, str], call: str) -> list[dict]:
    return deployment.twilio("GET", f"/Calls/{call}/Recordings.json", login).json()["recordings"]


def _recorded(deployment: Deployed, login: tuple[str, str], call: str) -> str:
    """The recording of the call, once it is complete."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        complete = [one["sid"] for one in _recordings(deployment, login, call) if one["status"] == "completed"]
        if complete:
            return complete[0]
        status = deployment.twilio("GET", f"/Calls/{call}.json", login).json()["status"]
        if status in OVER:
            raise NoRecording(f"the call ended as {status}")
        time.sleep(PAUSE)
    raise NoRecording("the call was not recorded in time")


def _audio(deployment: Deployed, login: tuple[str, str], sid: str):
    answer = deployment.twilio("GET", f"/Recordings/{sid}.wav", login, params={"RequestedChannels": 2})
    if answer.status_code != 200:
        raise NoRecording(f"Twilio answers {answer.status_code} to its audio on two channels")
    return channels(answer.content)


def judged(heard: list[tuple[str, float]], parameter: str) -> Finding:
    """`heard` has, for each channel, the keys and their loudness."""
    there = [number for number, (keys, _) in enumerate(heard) if _in_order(keys) >= ENOUGH]
    if len(there) == 2:
        loudest = max(there, key=lambda number: heard[number][1])
        there = [loudest] if heard[loudest][1] >= LOUDER * heard[1 - loudest][1] else there
    if len(there) != 1:
        place = "both channels alike" if there else "neither channel"
        return warn(f"the keys are heard on {place}, so nothing is known", "call again, with a telephone at the ear and not with its loudspeaker")
    channel = str(2 - there[0])
    said = f"Twilio's side is channel {there[0] + 1}, whoever picked up is channel {channel}"
    if parameter == channel:
        return ok(f"{said}, as EmployeeChannel says")
    return fail(f"{said}, and EmployeeChannel is {parameter}", f"deploy with EmployeeChannel={channel}, if your calls are made as this one was: by the API, to the employee")


def _in_order(keys: str) -> int:
    """The number of pressed keys that are heard in their order (the longest common subsequence)."""
    lengths = [0] * (len(DIGITS) + 1)
    for key in keys:
        before = 0
        for position, digit in enumerate(DIGITS, 1):
            before, lengths[position] = lengths[position], before + 1 if key == digit else max(lengths[position], lengths[position - 1])
    return lengths[-1]


CHECKS = {NAME: by_call}
