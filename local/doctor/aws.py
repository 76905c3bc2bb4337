"""Checks of AWS: the stack, its secrets, its functions and queues, and whether anybody hears its alarms."""

from __future__ import annotations

from functools import partial

from botocore.exceptions import ClientError

from .deployed import Deployed
from .finding import Finding, NotLookedAt, fail, ok, warn
from .secret import VENDORS

# Sweeps and requests of people need some of the account's concurrency, too.
BESIDE_THE_QUEUES = 10


def stack(deployment: Deployed) -> Finding:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html"""
    status = deployment.stack["StackStatus"]
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        return ok(f"the stack {deployment.stack_name} is {status}")
    return fail(f"the stack {deployment.stack_name} is {status}", "see its events in CloudFormation, and deploy it again")


def secret(vendor: str, deployment: Deployed) -> Finding:
    arn, advice = deployment.parameters[VENDORS[vendor].parameter], f"put the secret of {VENDORS[vendor].name} anew: `aws secretsmanager put-secret-value`"
    try:
        value = deployment.read_secret(vendor)
    except NotLookedAt as unusable:
        return fail(f"{arn}: {unusable}", advice)
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDeniedException":
            return warn(f"these AWS credentials may not read {arn}", "run the doctor with secretsmanager:GetSecretValue on it")
        return fail(f"{arn} cannot be read: {error.response['Error']['Code']}", advice)
    if vendor == "supabase" and value["secret_key"].startswith("eyJ"):
        # https://supabase.com/docs/guides/getting-started/api-keys
        return warn("its secret_key is a legacy service_role key, which Supabase ends", "make a secret key (sb_secret_…), and put it into the secret")
    return ok("it can be read, and every field is long enough")


def functions(deployment: Deployed) -> Finding:
    """https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html"""
    broken = []
    names = deployment.outputs["Functions"].split(",")
    for name in names:
        found = deployment.aws("lambda").get_function_configuration(FunctionName=name)
        # Pending and InProgress pass.
        if found.get("State") in ("Failed", "Deactivated", "ActiveNonInvocable") or found.get("LastUpdateStatus") == "Failed":
            broken.append(f"{name} ({found.get('StateReasonCode') or found.get('LastUpdateStatusReasonCode') or found['State']})")
    if broken:
        return fail(f"functions that Lambda cannot start: {', '.join(broken)}", "see the reason in Lambda's console, and deploy again")
    return ok(f"all {len(names)} can be started")


def event_sources(deployment: Deployed) -> Finding:
    """A queue whose event source is off is emptied by nobody."""
    off, found = [], 0
    for name in deployment.outputs["Functions"].split(","):
        for one in deployment.aws("lambda").list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            found += 1
            # "Enabling" and "Creating" become "Enabled" by themselves.
            if one["State"] not in ("Enabled", "Enabling", "Creating", "Updating"):
                off.append(f"{one['EventSourceArn'].rpartition(':')[2]} → {name} ({one['State']})")
    if off or not found:
        advice = "`aws lambda update-event-source-mapping --enabled --uuid …`"
        return fail(f"nobody takes messages from {', '.join(off) or 'any queue'}", advice)
    return ok(f"all {found} queues have somebody who takes their messages")


def dead_letters(deployment: Deployed) -> Finding:
    counts = {}
    for name, url in deployment.outputs.items():
        if name.endswith("DeadLettersUrl"):
            found = deployment.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            counts[name.removesuffix("Url")] = int(found["Attributes"]["ApproximateNumberOfMessages"])
    there = [f"{count} in {name}" for name, count in counts.items() if count]
    if there:
        return warn(f"messages were given up: {', '.join(there)}", "repair the reason, then redrive them (docs/operations.md, When it goes wrong)")
    return ok("no message was given up")


def schedule(deployment: Deployed) -> Finding:
    off = [
        rule for rule in deployment.resources.get("AWS::Events::Rule", {}).values()
        if deployment.aws("events").describe_rule(Name=rule.rpartition("/")[2])["State"] != "ENABLED"
    ]
    if off or "AWS::Events::Rule" not in deployment.resources:
        return fail(f"the sweep does not run: {', '.join(off) or 'its rule is gone'}", "`aws events enable-rule --name …`")
    return ok(f"the sweep runs, {deployment.parameters['SweepRate']}")


def concurrency(deployment: Deployed) -> Finding:
    """New AWS accounts may have as little as 10: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""
    wanted = sum(int(value) for name, value in deployment.parameters.items() if name.endswith("MaximumConcurrency")) + BESIDE_THE_QUEUES
    there = deployment.aws("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if there < wanted:
        advice = "`aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`"
        return warn(f"the account runs {there} functions at a time, and the stack may want {wanted}", advice)
    return ok(f"the account runs {there} functions at a time, and the stack may want {wanted}")


def alarms(deployment: Deployed) -> Finding:
    """Checks whether somebody hears them. https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html"""
    there = _alarms(deployment)
    mute = [one["AlarmName"] for one in there if not one["ActionsEnabled"] or not one["AlarmActions"]]
    advice = "deploy with AlarmEmail or AlarmTopicArn, and confirm the mail that SNS sends"
    if mute:
        return warn(f"nobody hears {len(mute)} of {len(there)} alarms", advice)
    topics = {action for one in there for action in one["AlarmActions"] if ":sns:" in action}
    unheard = [topic.rpartition(":")[2] for topic in sorted(topics) if not _is_heard(deployment, topic)]
    if unheard:
        return warn(f"nobody has confirmed a subscription to {', '.join(unheard)}", "confirm the mail that SNS sent, or subscribe somebody")
    return ok(f"all {len(there)} alarms have somebody who hears them")


def ringing(deployment: Deployed) -> Finding:
    ringing = sorted(one["AlarmName"] for one in _alarms(deployment) if one["StateValue"] == "ALARM")
    if ringing:
        return warn(f"these ring now: {', '.join(ringing)}", "docs/operations.md, When it goes wrong, says of each what to do")
    return ok("no alarm rings")


def _alarms(deployment: Deployed) -> list[dict]:
    names = list(deployment.resources.get("AWS::CloudWatch::Alarm", {}).values())
    # AWS takes at most a hundred names at once, and answers as many.
    pages = [names[start : start + 100] for start in range(0, len(names), 100)]
    return [one for page in pages for one in deployment.aws("cloudwatch").describe_alarms(AlarmNames=page, MaxRecords=100)["MetricAlarms"]]


def _is_heard(deployment: Deployed, topic: str) -> bool:
    """An address that has not confirmed is `PendingConfirmation` instead of an ARN."""
    pages = deployment.aws("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return any(one["SubscriptionArn"].startswith("arn:") for page in pages for one in page["Subscriptions"])


CHECKS = {
    "stack": stack,
    **{f"secret of {vendor.name}": partial(secret, name) for name, vendor in VENDORS.items()},
    "functions": functions,
    "event sources": event_sources,
    "dead letters": dead_letters,
    "sweep": schedule,
    "concurrency": concurrency,
    "alarms heard": alarms,
    "alarms quiet": ringing,
}
