"""Least privilege, proven: each statement that a function itself uses is needed, since without it something no longer works.

One statement at a time is taken out of the deployed role, the function is made cold, and a path through the bundle that needs it
is walked: it must fail, and fail because of that right. Then the statement is put back.

The local AWS does not ask for all rights; tests/template asserts the others (the poller's, logs, traces) on the template.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

import pytest

from standins.call import recording
from tests.template.expanded import expanded

from .people import with_recording
from .spine import (
    call_becomes_voice, erasure_resolves_an_attempt_of_unknown_fate, garbage_becomes_a_dead_letter,
    sweep_finds_what_no_message_comes_for, withdrawal_erases_the_voice,
)  # fmt: skip

FUNCTIONS = {
    "RecordingWebhookRole": "recording-webhook", "RecordingIngestRole": "recording-ingest", "CloneVoiceRole": "clone-voice",
    "CloneWorkerRole": "clone-worker", "VoiceConsentRole": "voice-consent", "VoiceErasureRole": "voice-erasure", "VoiceSweeperRole": "voice-sweeper",
}
QUEUES = {"RecordingIngestRole": "recording", "CloneWorkerRole": "clone", "VoiceErasureRole": "erasure"}
# Seconds of an invocation of voice-erasure in which it begins with no second round.
ONE_ROUND = 120
# The right without which a function works as well, and starts later.
AT_ONCE = "ReadSecretsAtOnce"
# Used by Lambda on the function's behalf, not by the function.
NOT_BY_THE_FUNCTION = {"WriteLogs", "PollRecordingQueue", "PollCloneQueue", "PollCampaignQueue", "PollErasureQueue", "SendTraces"}


def statements() -> list[tuple[str, str]]:
    """(role, Sid) of every statement that is always there, from the template itself: a new one is tested without being named here."""
    return [
        (role, statement["Sid"])
        for role, resource in expanded()["Resources"].items() if resource["Type"] == "AWS::IAM::Role"
        for statement in resource["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        if statement.get("Sid", "SendTraces") not in NOT_BY_THE_FUNCTION | {AT_ONCE}
    ]


@contextmanager
def without(scenario, role: str, sid: str):
    """The deployed role lacks the statement, and the function has not yet used the right. Gives the action that is denied."""
    iam, function = scenario.aws("iam"), FUNCTIONS[role]
    stack = scenario.stack["aws"]["stack_name"]
    name = scenario.aws("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=role)["StackResourceDetail"]["PhysicalResourceId"]
    policy = {"RoleName": name, "PolicyName": function}
    whole = iam.get_role_policy(**policy)["PolicyDocument"]
    (taken,) = [statement for statement in whole["Statement"] if statement.get("Sid") == sid]
    rest = whole | {"Statement": [statement for statement in whole["Statement"] if statement is not taken]}
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(rest))
    scenario.make_cold(function)
    try:
        yield taken["Action"]
    finally:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(whole))
        scenario.make_cold(function)


def walk(scenario, role: str, sid: str) -> None:
    """The path through the bundle that needs the right."""
    if sid == "DelayRetry":
        garbage_becomes_a_dead_letter(scenario, QUEUES[role])
    elif sid == "DelayCampaignRetry":
        garbage_becomes_a_dead_letter(scenario, "campaign")
    elif role == "CloneVoiceRole" and sid == "SendCampaign":
        assert scenario.api("POST", "/voice-clones", {"employee_ids": [with_recording(scenario, consent=True)]}).status == 202
    elif role == "VoiceConsentRole":
        withdrawal_erases_the_voice(scenario, scenario.new_employee(), recording())
    elif role == "VoiceErasureRole" and sid == "GoOn":
        with scenario.timeout(FUNCTIONS[role], ONE_ROUND):
            withdrawal_erases_the_voice(scenario, scenario.new_employee(), recording())
    elif role == "VoiceErasureRole":
        erasure_resolves_an_attempt_of_unknown_fate(scenario, scenario.new_employee(), recording())
    elif role == "VoiceSweeperRole":
        sweep_finds_what_no_message_comes_for(scenario, recording())
    else:
        # Not to wait half a minute for a worker that cannot work.
        call_becomes_voice(scenario, scenario.new_employee(), recording(), {"Prefer": "respond-async"})


@pytest.mark.parametrize("role, sid", statements())
def test_without_this_right_something_no_longer_works(scenario, role, sid):
    function = FUNCTIONS[role]
    since = int(time.time() * 1000)
    with without(scenario, role, sid) as action:

        def denied() -> str | None:
            found = f"not authorized to perform: {action}" in scenario.logs(function, since)
            return f"{function} may not {action}" if found else None

        scenario.hopeless = denied
        with pytest.raises(AssertionError):
            walk(scenario, role, sid)
        # It failed, and this is why. The log of an invocation comes when it is over.
        scenario.hopeless = lambda: None
        scenario.until(denied, f"the denied {action}")


@pytest.mark.parametrize("role", FUNCTIONS)
def test_without_the_right_to_read_all_secrets_at_once_a_function_warns_and_reads_each_that_it_needs(scenario, role):
    function = FUNCTIONS[role]
    since = int(time.time() * 1000)
    with without(scenario, role, AT_ONCE) as action:
        walk(scenario, role, "any")
        scenario.until(lambda: f"not authorized to perform: {action}" in scenario.logs(function, since) or None, f"the denied {action}")


@pytest.mark.parametrize("role", FUNCTIONS)
def test_with_every_right_in_its_place_again_the_path_leads_to_its_end(scenario, role):
    walk(scenario, role, "any")
