"""Twilio's recordings. Those that were there before are at most read; a recording that is deleted was made here.

Source: https://www.twilio.com/docs/voice/api/recording
"""

from __future__ import annotations

import secrets
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from .account import Account, code, succeeded
from .assumption import No, Skipped, assume, hold
from .sample import channels

NONE = "the account has no recording of that kind"
NEEDS_CALL = "needs --call, whose recording may be deleted"
# https://www.twilio.com/docs/api/errors/20008
TEST_CREDENTIALS = "20008"
SAYS = "<Response><Say>This is a test of a recording. Please say something, and hang up.</Say><Pause length='40'/></Response>"
CALL_SECONDS = 180


def unknown(kind: str) -> str:
    return kind + secrets.token_hex(16)


def ask(twilio: Account, method: str, path: str, **request):
    """Asks below the account's path."""
    answer = twilio.ask(method, f"/2010-04-01/Accounts/{twilio.facts['account_sid']}{path}", **request)
    if code(answer) == TEST_CREDENTIALS:
        raise Skipped("test credentials reach no recordings")
    return answer


def listed(twilio: Account) -> list[dict]:
    """The first recordings of the account's list."""
    return twilio.fact("listed", "the list could not be read")


def some(twilio: Account, fits=lambda recording: True, why: str = NONE) -> dict:
    """The shortest completed recording that fits."""
    found = [one for one in listed(twilio) if one["status"] == "completed" and one["call_sid"] and fits(one)]
    if not found:
        raise Skipped(why)
    return min(found, key=lambda one: int(one.get("duration") or 0))


def is_elsewhere(twilio: Account, recording: dict) -> bool:
    """As the functions decide it."""
    host = urlsplit(recording.get("media_url") or "").hostname or ""
    return bool(host) and host != urlsplit(twilio.url).hostname and not f".{host}".endswith(".twilio.com")


def plain(twilio: Account, **wanted) -> dict:
    """A recording whose audio Twilio has, without encryption."""
    return some(twilio, lambda one: not one["encryption_details"] and not is_elsewhere(twilio, one) and wanted.items() <= one.items())


def own(twilio: Account) -> str:
    return twilio.fact("own", NEEDS_CALL)


def prepare(twilio: Account) -> None:
    """Prepares a recording that may be deleted: that of a call, where a call may be made."""
    if twilio.stage:
        twilio.facts["own"] = twilio.stage.own
    elif twilio.wishes.call:
        form = {"From": twilio.wishes.from_, "To": twilio.wishes.to, "Twiml": SAYS, "Record": "true", "RecordingChannels": "dual", "TimeLimit": "60"}
        call = succeeded(ask(twilio, "POST", "/Calls.json", kept=False, data=form)).json()["sid"]
        twilio.later("the call", lambda: succeeded(ask(twilio, "DELETE", f"/Calls/{call}.json", kept=False), 204, 404))
        twilio.later("the call's recordings", lambda: forget(twilio, call))

        def finished():
            found = ask(twilio, "GET", f"/Calls/{call}/Recordings.json", kept=False).json()["recordings"]
            return [one["sid"] for one in found if one["status"] == "completed"]

        twilio.facts["own"] = twilio.until(finished, "the call was not recorded: did anybody pick up?", CALL_SECONDS)[0]


def forget(twilio: Account, call: str) -> None:
    for one in succeeded(ask(twilio, "GET", f"/Calls/{call}/Recordings.json", kept=False)).json()["recordings"]:
        succeeded(ask(twilio, "DELETE", f"/Recordings/{one['sid']}.json", kept=False), 204, 404)


@assume("twilio", "The account's credentials open the list of its recordings, with HTTP Basic.")
def _(twilio):
    succeeded(ask(twilio, "GET", "/Recordings.json", params={"PageSize": 1}), 200)


@assume("twilio", "A wrong password is turned away with 401.")
def _(twilio):
    succeeded(ask(twilio, "GET", "/Recordings.json", params={"PageSize": 1}, auth=(twilio.auth[0], "0" * 32)), 401)


@assume("twilio", "The list is of recordings with sid, call_sid, status and date_created, and names its next page, or null.")
def _(twilio):
    page = succeeded(ask(twilio, "GET", "/Recordings.json", params={"PageSize": 1000}), 200).json()
    hold("next_page_uri" in page, "it does not say where it goes on")
    for one in page["recordings"]:
        hold({"sid", "call_sid", "status", "date_created"} <= set(one), f"a recording has only {', '.join(sorted(one))}")
        hold(one["status"] != "completed" or one["date_created"], "a completed recording has no date")
    twilio.facts["listed"] = page["recordings"]


def day(recording: dict) -> str:
    return parsedate_to_datetime(recording["date_created"]).astimezone(timezone.utc).date().isoformat()


@assume("twilio", "DateCreated> with a day gives the recordings of that day and of later ones, and no older ones.")
def _(twilio):
    days = sorted({day(one) for one in listed(twilio) if one["date_created"]})
    if len(days) < 2:
        raise Skipped("the account has no recordings of two days")
    page = succeeded(ask(twilio, "GET", "/Recordings.json", params={"DateCreated>": days[1], "PageSize": 1000}), 200).json()["recordings"]
    found = {day(one) for one in page if one["date_created"]}
    hold(days[1] in found, "that day's are missing")
    hold(min(found) == days[1], "there are older ones")


@assume("twilio", "next_page_uri is a path below the account's own list, keeps the filter, and leads to other recordings, older ones.")
def _(twilio):
    dated = sorted(day(one) for one in listed(twilio) if one["date_created"])
    if len(dated) < 2:
        raise Skipped("the account has no two recordings")
    first = succeeded(ask(twilio, "GET", "/Recordings.json", params={"DateCreated>": dated[0], "PageSize": 1}), 200).json()
    uri = first["next_page_uri"]
    hold(uri and uri.startswith(f"/2010-04-01/Accounts/{twilio.facts['account_sid']}/Recordings.json?"), "it is no such path")
    hold(parse_qs(urlsplit(uri).query).get("DateCreated>") == [dated[0]], "it does not keep the filter")
    second = succeeded(twilio.ask("GET", uri), 200).json()
    one, other = first["recordings"][0], second["recordings"][0]
    hold(one["sid"] != other["sid"], "it leads to the same one")
    if one["date_created"] and other["date_created"]:
        hold(parsedate_to_datetime(one["date_created"]) >= parsedate_to_datetime(other["date_created"]), "it leads to a newer one")


@assume("twilio", "CallSid gives the recordings of that call and no others; of a call that does not exist, none.")
def _(twilio):
    def of(call: str) -> list[dict]:
        return succeeded(ask(twilio, "GET", "/Recordings.json", params={"CallSid": call, "PageSize": 1000}), 200).json()["recordings"]

    hold(of(unknown("CA")) == [], "there are some")
    one = some(twilio)
    found = of(one["call_sid"])
    hold(one["sid"] in [each["sid"] for each in found], "it is missing")
    hold({each["call_sid"] for each in found} == {one["call_sid"]}, "there are others")


@assume("twilio", "A recording that does not exist is a 404 with code 20404, below its call's path and without.")
def _(twilio):
    for path in (f"/Recordings/{unknown('RE')}.json", f"/Calls/{unknown('CA')}/Recordings/{unknown('RE')}.json"):
        hold(code(succeeded(ask(twilio, "GET", path), 404)) == "20404", "the code is another one")


@assume("twilio", "Below its call's path a recording tells its track, and which call it is of.")
def _(twilio):
    one = some(twilio)
    found = succeeded(ask(twilio, "GET", f"/Calls/{one['call_sid']}/Recordings/{one['sid']}.json"), 200).json()
    hold(found["track"] in ("inbound", "outbound", "both"), f"its track is {found['track']}")
    hold(found["call_sid"] == one["call_sid"], "it is of another call")


@assume("twilio", "Below another call's path a recording is a 404.")
def _(twilio):
    succeeded(ask(twilio, "GET", f"/Calls/{unknown('CA')}/Recordings/{some(twilio)['sid']}.json"), 404)


@assume("twilio", "A completed recording has a start_time (RFC 2822), a duration in seconds as text, one or two channels, a source, and encryption_details or null.")
def _(twilio):
    one = some(twilio)
    found = succeeded(ask(twilio, "GET", f"/Calls/{one['call_sid']}/Recordings/{one['sid']}.json"), 200).json()
    try:
        parsedate_to_datetime(found["start_time"])
    except (TypeError, ValueError):
        raise No("its start_time is no such date") from None
    hold(isinstance(found["duration"], str) and found["duration"].isdigit(), "its duration is no such text")
    hold(found["channels"] in (1, 2) and isinstance(found["source"], str), "its channels or its source are others")
    hold("encryption_details" in found, "it has no encryption_details")


@assume("twilio", "The account's path tells where the media are: at twilio.com, unless the account keeps them itself.")
def _(twilio):
    found = succeeded(ask(twilio, "GET", f"/Recordings/{plain(twilio)['sid']}.json"), 200).json()
    hold(found.get("media_url"), "it does not")


@assume("twilio", "Media that the account keeps itself are named at another host, and are a 404 at Twilio.")
def _(twilio):
    one = some(twilio, lambda one: is_elsewhere(twilio, one))
    found = succeeded(ask(twilio, "GET", f"/Recordings/{one['sid']}.json"), 200).json()
    hold(is_elsewhere(twilio, found), "they are not")
    succeeded(ask(twilio, "GET", f"/Recordings/{one['sid']}.wav", params={"RequestedChannels": 2}), 404)


@assume("twilio", "A recording that is encrypted with the account's own key says so.")
def _(twilio):
    one = some(twilio, lambda one: one["encryption_details"])
    found = succeeded(ask(twilio, "GET", f"/Recordings/{one['sid']}.json"), 200).json()
    hold({"encryption_cek", "encryption_iv"} <= set(found["encryption_details"]), "not with what would open it")


def audio(twilio: Account, sid: str, **query) -> list:
    answer = succeeded(ask(twilio, "GET", f"/Recordings/{sid}.wav", params=query), 200)
    try:
        return channels(answer.content)
    except ValueError as error:
        raise No(f"it is {error}") from None


@assume("twilio", "The audio of a recording is a whole WAV of 16-bit PCM at 8 kHz, without a redirect.")
def _(twilio):
    audio(twilio, plain(twilio)["sid"])


@assume("twilio", "With RequestedChannels=2 the recording of a call of two legs has each leg in its own channel.")
def _(twilio):
    found = audio(twilio, twilio.facts.get("own") or plain(twilio, channels=2)["sid"], RequestedChannels=2)
    hold(len(found) == 2, "it has one channel")
    hold(found[0] != found[1], "both channels are the same")


@assume("twilio", "RequestedChannels=2 is a 400 for a recording of one channel, which comes without it.")
def _(twilio):
    sid = plain(twilio, source="RecordVerb")["sid"]
    succeeded(ask(twilio, "GET", f"/Recordings/{sid}.wav", params={"RequestedChannels": 2}), 400)
    hold(len(audio(twilio, sid)) == 1, "it has two channels")


@assume("twilio", "The audio of a recording that does not exist is a 404, with a body that is no WAV.")
def _(twilio):
    answer = succeeded(ask(twilio, "GET", f"/Recordings/{unknown('RE')}.wav", params={"RequestedChannels": 2}), 404)
    hold(not answer.content.startswith(b"RIFF"), "it is one")


@assume("twilio", "A recording without audio (absent) may have no dates, and Twilio refuses to delete it: 400 with code 20001.")
def _(twilio):
    sid = twilio.staged("what was there before is not deleted").absent
    found = succeeded(ask(twilio, "GET", f"/Recordings/{sid}.json"), 200).json()
    hold(found["status"] == "absent" and "start_time" in found, "it is something else")
    hold(code(succeeded(ask(twilio, "DELETE", f"/Recordings/{sid}.json"), 400)) == "20001", "the code is another one")


@assume("twilio", "Deleting a recording that does not exist is a 404.")
def _(twilio):
    succeeded(ask(twilio, "DELETE", f"/Recordings/{unknown('RE')}.json"), 404)


@assume("twilio", "Deleting a completed recording is answered with a success and no body.")
def _(twilio):
    sid = own(twilio)
    twilio.facts["own_call"] = succeeded(ask(twilio, "GET", f"/Recordings/{sid}.json"), 200).json()["call_sid"]
    hold(not succeeded(ask(twilio, "DELETE", f"/Recordings/{sid}.json")).content, "there is a body")
    twilio.facts["deleted"] = sid


@assume("twilio", "A deleted recording is a 404, or says that it is deleted; so is deleting it again.")
def _(twilio):
    sid = twilio.fact("deleted", NEEDS_CALL)
    answer = ask(twilio, "GET", f"/Recordings/{sid}.json")
    hold(answer.status_code == 404 or succeeded(answer, 200).json()["status"] == "deleted", "it is there")
    succeeded(ask(twilio, "DELETE", f"/Recordings/{sid}.json"), 404)


@assume("twilio", "The audio of a deleted recording is a 404, and its call's list has it no more.")
def _(twilio):
    sid = twilio.fact("deleted", NEEDS_CALL)
    succeeded(ask(twilio, "GET", f"/Recordings/{sid}.wav", params={"RequestedChannels": 2}), 404)
    found = succeeded(ask(twilio, "GET", "/Recordings.json", params={"CallSid": twilio.facts["own_call"], "PageSize": 1000}), 200).json()["recordings"]
    hold(sid not in [one["sid"] for one in found if one["status"] != "deleted"], "it has")


@assume("twilio", "Too many requests are answered with 429.")
def _(twilio):
    said = {"code": 20429, "message": "Too Many Requests", "more_info": "https://www.twilio.com/docs/errors/20429", "status": 429}
    with twilio.staged("nobody should ask a vendor too often").fault("Recordings", status=429, body=said):
        succeeded(ask(twilio, "GET", "/Recordings.json", params={"PageSize": 1}), 429)
