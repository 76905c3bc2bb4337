"""The parts of the template that the local AWS cannot show by running: the rights of the poller, logs, tracing, limits, the checks of parameters."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import tomlkit

from .expanded import TEMPLATE, expanded, source

FUNCTIONS = {
    "RecordingWebhook": "recording-webhook",
    "RecordingIngest": "recording-ingest",
    "CloneVoice": "clone-voice",
    "CloneWorker": "clone-worker",
    "VoiceConsent": "voice-consent",
    "VoiceErasure": "voice-erasure",
    "VoiceSweeper": "voice-sweeper",
}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
POLL = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
READ = {"secretsmanager:GetSecretValue"}
READ_AT_ONCE = ({"secretsmanager:BatchGetSecretValue"}, "*")
TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def arn(resource: str) -> dict:
    return {"Fn::GetAtt": [resource, "Arn"]}


def ref(name: str) -> dict:
    return {"Ref": name}


# Sid → (actions, the one resource). Nothing else may be in a role.
ROLES = {
    "RecordingWebhook": {
        "WriteLogs": (LOGS, arn("RecordingWebhookLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "ReadTwilioSecret": (READ, ref("TwilioSecretArn")),
        "SendRecording": ({"sqs:SendMessage"}, arn("RecordingQueue")),
    },
    "RecordingIngest": {
        "WriteLogs": (LOGS, arn("RecordingIngestLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "PollRecordingQueue": (POLL, arn("RecordingQueue")),
        "DelayRetry": ({"sqs:ChangeMessageVisibility"}, arn("RecordingQueue")),
        "ReadTwilioSecret": (READ, ref("TwilioSecretArn")),
        "ReadSupabaseSecret": (READ, ref("SupabaseSecretArn")),
    },
    "CloneVoice": {
        "WriteLogs": (LOGS, arn("CloneVoiceLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "ReadSupabaseSecret": (READ, ref("SupabaseSecretArn")),
        "SendClone": ({"sqs:SendMessage"}, arn("CloneQueue")),
        "SendCampaign": ({"sqs:SendMessage"}, arn("CampaignQueue")),
    },
    "CloneWorker": {
        "WriteLogs": (LOGS, arn("CloneWorkerLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "PollCloneQueue": (POLL, arn("CloneQueue")),
        "DelayRetry": ({"sqs:ChangeMessageVisibility"}, arn("CloneQueue")),
        "PollCampaignQueue": (POLL, arn("CampaignQueue")),
        "DelayCampaignRetry": ({"sqs:ChangeMessageVisibility"}, arn("CampaignQueue")),
        "ReadSupabaseSecret": (READ, ref("SupabaseSecretArn")),
        "ReadElevenLabsSecret": (READ, ref("ElevenLabsSecretArn")),
    },
    "VoiceConsent": {
        "WriteLogs": (LOGS, arn("VoiceConsentLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "ReadSupabaseSecret": (READ, ref("SupabaseSecretArn")),
        "SendErasure": ({"sqs:SendMessage"}, arn("ErasureQueue")),
    },
    "VoiceErasure": {
        "WriteLogs": (LOGS, arn("VoiceErasureLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "PollErasureQueue": (POLL, arn("ErasureQueue")),
        "DelayRetry": ({"sqs:ChangeMessageVisibility"}, arn("ErasureQueue")),
        "ReadSupabaseSecret": (READ, ref("SupabaseSecretArn")),
        "ReadElevenLabsSecret": (READ, ref("ElevenLabsSecretArn")),
        "ReadTwilioSecret": (READ, ref("TwilioSecretArn")),
        "SendClone": ({"sqs:SendMessage"}, arn("CloneQueue")),
        "GoOn": ({"sqs:SendMessage"}, arn("ErasureQueue")),
    },
    "VoiceSweeper": {
        "WriteLogs": (LOGS, arn("VoiceSweeperLogs")),
        "ReadSecretsAtOnce": READ_AT_ONCE,
        "ReadSupabaseSecret": (READ, ref("SupabaseSecretArn")),
        "ReadElevenLabsSecret": (READ, ref("ElevenLabsSecretArn")),
        "ReadTwilioSecret": (READ, ref("TwilioSecretArn")),
        "SendRecording": ({"sqs:SendMessage"}, arn("RecordingQueue")),
        "SendClone": ({"sqs:SendMessage"}, arn("CloneQueue")),
        "SendCampaign": ({"sqs:SendMessage"}, arn("CampaignQueue")),
        "SendErasure": ({"sqs:SendMessage"}, arn("ErasureQueue")),
    },
}

VARIABLES = {
    "RecordingWebhook": {"PUBLIC_BASE_URL", "TWILIO_SECRET_ARN", "RECORDING_QUEUE_URL"},
    "RecordingIngest": {"TWILIO_API_URL", "TWILIO_SECRET_ARN", "SUPABASE_URL", "SUPABASE_SECRET_ARN", "RECORDING_QUEUE_URL"},
    "CloneVoice": {"SUPABASE_URL", "SUPABASE_ISSUER", "SUPABASE_SECRET_ARN", "CLONE_QUEUE_URL", "CAMPAIGN_QUEUE_URL", "EMPLOYEE_CHANNEL"},
    "CloneWorker": {
        "SUPABASE_URL", "SUPABASE_SECRET_ARN", "ELEVENLABS_API_URL", "ELEVENLABS_SECRET_ARN", "CLONE_QUEUE_URL", "CAMPAIGN_QUEUE_URL",
        "EMPLOYEE_CHANNEL",
    },
    "VoiceConsent": {"SUPABASE_URL", "SUPABASE_ISSUER", "SUPABASE_SECRET_ARN", "ERASURE_QUEUE_URL"},
    "VoiceErasure": {
        "SUPABASE_URL", "SUPABASE_SECRET_ARN", "ELEVENLABS_API_URL", "ELEVENLABS_SECRET_ARN", "TWILIO_API_URL", "TWILIO_SECRET_ARN",
        "ERASURE_QUEUE_URL", "CLONE_QUEUE_URL",
    },
    "VoiceSweeper": {
        "SUPABASE_URL", "SUPABASE_SECRET_ARN", "ELEVENLABS_API_URL", "ELEVENLABS_SECRET_ARN", "TWILIO_API_URL", "TWILIO_SECRET_ARN",
        "RECORDING_QUEUE_URL", "CLONE_QUEUE_URL", "CAMPAIGN_QUEUE_URL", "ERASURE_QUEUE_URL",
    },
}
# Variable → the queue, wherever a function has it.
QUEUE_VARIABLES = {
    "RECORDING_QUEUE_URL": "RecordingQueue", "CLONE_QUEUE_URL": "CloneQueue", "CAMPAIGN_QUEUE_URL": "CampaignQueue",
    "ERASURE_QUEUE_URL": "ErasureQueue",
}

# Event source → (function, queue, parameter with the limit)
SOURCES = {
    "RecordingIngestSource": ("RecordingIngest", "RecordingQueue", "IngestMaximumConcurrency"),
    "CloneWorkerSource": ("CloneWorker", "CloneQueue", "CloneMaximumConcurrency"),
    "CampaignSource": ("CloneWorker", "CampaignQueue", "CampaignMaximumConcurrency"),
    "VoiceErasureSource": ("VoiceErasure", "ErasureQueue", "ErasureMaximumConcurrency"),
}
QUEUES = {
    "RecordingQueue": "RecordingDeadLetters", "CloneQueue": "CloneDeadLetters", "CampaignQueue": "CampaignDeadLetters",
    "ErasureQueue": "ErasureDeadLetters",
}
# The number of times that a message may fail. The delays grow to about 15 minutes: eight take about 20 minutes, fifty half a day.
TRIES = {"RecordingQueue": 8, "CloneQueue": 8, "CampaignQueue": 50, "ErasureQueue": 50}


def properties(name: str) -> dict:
    return expanded()["Resources"][name]["Properties"]


def of_type(kind: str) -> dict[str, dict]:
    return {name: resource["Properties"] for name, resource in expanded()["Resources"].items() if resource["Type"] == kind}


def statements(role: str) -> list[dict]:
    return [statement for policy in properties(role)["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def as_set(value) -> set:
    return set(value) if isinstance(value, list) else {value}


# -- roles --------------------------------------------------------------------------------------------------------------


def test_there_is_one_role_for_each_function_and_none_besides():
    assert set(of_type("AWS::IAM::Role")) == {f"{function}Role" for function in FUNCTIONS}
    assert set(of_type("AWS::Lambda::Function")) == set(FUNCTIONS)
    for function in FUNCTIONS:
        assert properties(function)["Role"] == arn(f"{function}Role")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_holds_exactly_the_expected_statements(function):
    always = [statement for statement in statements(f"{function}Role") if "Sid" in statement]
    found = {statement["Sid"]: (as_set(statement["Action"]), statement["Resource"]) for statement in always}
    assert found == ROLES[function]
    assert len(always) == len(found)
    assert all(statement["Effect"] == "Allow" and set(statement) == {"Sid", "Effect", "Action", "Resource"} for statement in always)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_gets_nothing_from_elsewhere(function):
    assert set(properties(f"{function}Role")) == {"Description", "AssumeRolePolicyDocument", "Policies"}
    assert len(properties(f"{function}Role")["Policies"]) == 1
    assert not of_type("AWS::IAM::Policy") and not of_type("AWS::IAM::ManagedPolicy") and not of_type("AWS::IAM::RolePolicy")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_may_be_taken_by_lambda_only(function):
    (statement,) = properties(f"{function}Role")["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_traces_may_be_sent_only_while_tracing_is_on(function):
    (choice,) = [statement["Fn::If"] for statement in statements(f"{function}Role") if "Fn::If" in statement]
    condition, with_tracing, without = choice
    assert condition == "TracingOn" and without == ref("AWS::NoValue")
    assert (as_set(with_tracing["Action"]), with_tracing["Resource"]) == (TRACE, "*")
    assert properties(function)["TracingConfig"] == {"Mode": {"Fn::If": ["TracingOn", "Active", "PassThrough"]}}


def test_no_resource_is_a_wildcard_but_those_that_aws_asks_for():
    wildcards = [
        statement.get("Sid") for role in of_type("AWS::IAM::Role") for statement in statements(role)
        for statement in statement.get("Fn::If", [None, statement])[1:2] if "*" in json.dumps([statement["Resource"], statement["Action"]])
    ]
    assert Counter(wildcards) == {"ReadSecretsAtOnce": len(FUNCTIONS), "SendTraces": len(FUNCTIONS)}


def permissions(principal: str) -> list[dict]:
    return [permission for permission in of_type("AWS::Lambda::Permission").values() if permission["Principal"] == principal]


def test_only_this_api_may_call_the_http_functions():
    granted = {(p["FunctionName"]["Fn::GetAtt"][0], p["SourceArn"]["Fn::Sub"].partition("${AWS::AccountId}:")[2]) for p in permissions("apigateway.amazonaws.com")}
    assert granted == {
        ("RecordingWebhook", "${HttpApi}/*/*/twilio/recording"),
        ("CloneVoice", "${HttpApi}/*/*"),
        ("VoiceConsent", "${HttpApi}/*/*/api/*"),
    }


def test_only_its_schedule_may_start_the_sweep():
    (permission,) = permissions("events.amazonaws.com")
    assert permission["FunctionName"] == arn("VoiceSweeper")
    assert permission["SourceArn"] == arn("VoiceSweeperSchedule")


def test_nobody_else_may_call_a_function():
    assert len(of_type("AWS::Lambda::Permission")) == 4


# -- functions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_exactly_the_variables_it_reads(function):
    assert set(properties(function)["Environment"]["Variables"]) == VARIABLES[function] | {"AWS_API_URL", "METRICS_NAMESPACE"}
    assert properties(function)["Environment"]["Variables"]["AWS_API_URL"] == ""
    assert properties(function)["Environment"]["Variables"]["METRICS_NAMESPACE"] == ref("AWS::StackName")


def test_a_queue_has_the_same_variable_in_every_function():
    for function in FUNCTIONS:
        found = {name: value for name, value in properties(function)["Environment"]["Variables"].items() if name.endswith("_QUEUE_URL")}
        assert found == {name: ref(QUEUE_VARIABLES[name]) for name in found}


@pytest.mark.parametrize("function", ["CloneVoice", "CloneWorker"])
def test_the_employees_channel_is_what_the_deployment_says(function):
    assert properties(function)["Environment"]["Variables"]["EMPLOYEE_CHANNEL"] == ref("EmployeeChannel")


def test_secrets_reach_functions_as_arns_only():
    for function in FUNCTIONS:
        for name, value in properties(function)["Environment"]["Variables"].items():
            if "SECRET" in name:
                assert name.endswith("_SECRET_ARN") and value["Ref"].endswith("SecretArn")
    assert "{{resolve:" not in json.dumps(expanded())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_a_rust_binary_for_the_chosen_processor(function):
    assert properties(function)["Runtime"] == "provided.al2023"
    assert properties(function)["Architectures"] == [ref("Architecture")]
    written = source()["Resources"][function]
    assert written["Metadata"] == {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": FUNCTIONS[function]}}
    assert written["Properties"]["CodeUri"] == f"functions/{FUNCTIONS[function]}"


def test_arm64_is_the_default():
    assert expanded()["Parameters"]["Architecture"]["Default"] == "arm64"
    assert set(expanded()["Parameters"]["Architecture"]["AllowedValues"]) == {"arm64", "x86_64"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_json_into_its_own_group_which_forgets(function):
    logging = properties(function)["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    assert logging["ApplicationLogLevel"] == ref("LogLevel")
    assert logging["LogGroup"] == ref(f"{function}Logs")


def test_every_log_group_has_a_retention():
    groups = of_type("AWS::Logs::LogGroup")
    assert set(groups) == {f"{function}Logs" for function in FUNCTIONS} | {"AccessLogs"}
    assert all(group["RetentionInDays"] == ref("LogRetentionDays") for group in groups.values())


def test_no_log_level_can_be_chosen_that_shows_payloads_or_hides_what_is_counted():
    assert expanded()["Parameters"]["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO"]


def test_http_functions_answer_before_the_api_gives_up():
    for function in ("RecordingWebhook", "CloneVoice", "VoiceConsent"):
        assert properties(function)["Timeout"] * 1000 < properties(f"{function}Integration")["TimeoutInMillis"] <= 30000


def test_no_function_runs_longer_than_lambda_lets_it():
    # cfn-lint would let any number pass.
    assert all(function["Timeout"] <= 900 for function in of_type("AWS::Lambda::Function").values())


def test_no_function_has_reserved_concurrency():
    assert not [name for name, function in of_type("AWS::Lambda::Function").items() if "ReservedConcurrentExecutions" in function]


# -- queues ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source_name", SOURCES)
def test_an_event_source_is_limited_and_reports_single_failures(source_name):
    function, queue, limit = SOURCES[source_name]
    found = properties(source_name)
    assert found["EventSourceArn"] == arn(queue)
    assert found["FunctionName"] == arn(function)
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["ScalingConfig"] == {"MaximumConcurrency": ref(limit)}
    assert found["BatchSize"] == 1
    assert found.get("Enabled", True)


@pytest.mark.parametrize("source_name", SOURCES)
def test_a_message_stays_hidden_for_six_timeouts_of_its_function(source_name):
    function, queue, _ = SOURCES[source_name]
    assert properties(queue)["VisibilityTimeout"] >= 6 * properties(function)["Timeout"]


@pytest.mark.parametrize("queue", QUEUES)
def test_a_message_that_failed_too_often_is_kept_as_a_dead_letter(queue):
    assert properties(queue)["RedrivePolicy"] == {"deadLetterTargetArn": arn(QUEUES[queue]), "maxReceiveCount": TRIES[queue]}
    fourteen_days = 14 * 24 * 3600
    assert properties(QUEUES[queue])["MessageRetentionPeriod"] == fourteen_days
    assert expanded()["Resources"][QUEUES[queue]]["DeletionPolicy"] == "Retain"


def test_every_queue_is_encrypted():
    assert set(of_type("AWS::SQS::Queue")) == set(QUEUES) | set(QUEUES.values())
    assert all(queue["SqsManagedSseEnabled"] is True for queue in of_type("AWS::SQS::Queue").values())


# -- the schedule ---------------------------------------------------------------------------------------------------------


def test_the_sweep_runs_every_quarter_of_an_hour_unless_said_otherwise():
    (rule,) = of_type("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == ref("SweepRate")
    assert expanded()["Parameters"]["SweepRate"]["Default"] == "rate(15 minutes)"
    assert [target["Arn"] for target in rule["Targets"]] == [arn("VoiceSweeper")]
    assert rule.get("State", "ENABLED") == "ENABLED"


# -- the API --------------------------------------------------------------------------------------------------------------


def test_the_routes_are_these():
    routes = {route["RouteKey"]: route["Target"]["Fn::Sub"] for route in of_type("AWS::ApiGatewayV2::Route").values()}
    assert routes == {
        "ANY /twilio/recording": "integrations/${RecordingWebhookIntegration}",
        "ANY /api/employees/{employee_id}/clone-voice": "integrations/${CloneVoiceIntegration}",
        "ANY /api/voice-clones": "integrations/${CloneVoiceIntegration}",
        "ANY /api/employees/{employee_id}/voice": "integrations/${CloneVoiceIntegration}",
        "$default": "integrations/${CloneVoiceIntegration}",
        "ANY /api/voice-consent-statement": "integrations/${VoiceConsentIntegration}",
        "ANY /api/voice-consent/invitation": "integrations/${VoiceConsentIntegration}",
        "ANY /api/voice-consent/withdrawal": "integrations/${VoiceConsentIntegration}",
        "ANY /api/audit": "integrations/${VoiceConsentIntegration}",
        "ANY /api/employees/{employee_id}/voice-consent": "integrations/${VoiceConsentIntegration}",
        "ANY /api/employees/{employee_id}/voice-consent/invitation": "integrations/${VoiceConsentIntegration}",
        "ANY /api/employees/{employee_id}/voice-consent/evidence": "integrations/${VoiceConsentIntegration}",
        "ANY /api/employees/{employee_id}/voice/authorize": "integrations/${VoiceConsentIntegration}",
        "ANY /api/employees/{employee_id}/voice/erasure": "integrations/${VoiceConsentIntegration}",
        "DELETE /api/employees/{employee_id}/voice": "integrations/${VoiceConsentIntegration}",
    }
    # cfn-lint would let any type pass.
    assert all((i["IntegrationType"], i["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0") for i in of_type("AWS::ApiGatewayV2::Integration").values())


def test_the_api_is_throttled_and_the_callback_by_a_limit_of_its_own():
    stage = properties("Stage")
    assert stage["StageName"] == "$default" and stage["AutoDeploy"] is True
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": ref("ApiRateLimit"), "ThrottlingBurstLimit": ref("ApiBurstLimit")}
    assert stage["RouteSettings"] == {
        "ANY /twilio/recording": {"ThrottlingRateLimit": 500, "ThrottlingBurstLimit": 500},
    }


def test_the_access_log_names_nobody_and_holds_no_token():
    settings = properties("Stage")["AccessLogSettings"]
    assert settings["DestinationArn"]["Fn::Sub"].endswith(":log-group:${AccessLogs}")
    logged = json.loads(settings["Format"])
    # No address, no user agent or other header, no path (it holds the employee's id), no query string.
    assert set(logged.values()) == {
        "$context.requestId", "$context.requestTime", "$context.httpMethod", "$context.routeKey", "$context.status",
        "$context.responseLatency", "$context.integrationLatency", "$context.responseLength", "$context.error.responseType",
        "$context.integrationStatus",
    }


def test_browsers_may_call_from_the_named_origins_only():
    condition, cors, without = properties("HttpApi")["CorsConfiguration"]["Fn::If"]
    assert condition == "HasAllowedOrigins" and without == ref("AWS::NoValue")
    assert cors["AllowOrigins"] == ref("AllowedOrigins")
    assert expanded()["Parameters"]["AllowedOrigins"]["Default"] == ""
    assert set(cors["AllowMethods"]) == {"GET", "POST", "PUT", "DELETE", "OPTIONS"}
    assert set(cors["AllowHeaders"]) == {"authorization", "consent-token", "content-type", "prefer"}
    assert {"location", "retry-after"} <= set(cors["ExposeHeaders"])
    assert "AllowCredentials" not in cors


# -- parameters -----------------------------------------------------------------------------------------------------------

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:understudy/twilio-AbC123"
ACCEPTED = {
    "SupabaseIssuer": ["", "https://auth.example.com/auth/v1"],
    "SupabaseUrl": ["https://abcdefgh.supabase.co", "http://127.0.0.1:54321", "http://localhost:54321"],
    "TwilioApiUrl": ["https://api.twilio.com", "https://api.dublin.ie1.twilio.com"],
    "ElevenLabsApiUrl": ["https://api.elevenlabs.io", "https://api.eu.residency.elevenlabs.io"],
    "PublicBaseUrl": ["", "https://voice.example.com", "https://api.example.com/voice", "https://voice.example.com:8443"],
    "AllowedOrigins": ["", "https://app.example.com", "http://localhost:3000"],
    "TwilioSecretArn": [SECRET, SECRET.replace("aws:", "aws-us-gov:", 1)],
    "SupabaseSecretArn": [SECRET],
    "ElevenLabsSecretArn": [SECRET],
    "SweepRate": ["rate(15 minutes)", "rate(1 hour)", "rate(2 days)"],
    "AlarmEmail": ["", "on-call@example.com"],
    "AlarmTopicArn": ["", "arn:aws:sns:eu-central-1:123456789012:alarms"],
}
REFUSED = {
    "SupabaseIssuer": ["auth.example.com", "http://auth.example.com/auth/v1", "https://", "https://auth.example.com/auth v1"],
    "SupabaseUrl": ["", "abcdefgh.supabase.co", "https://abcdefgh.supabase.co/", "https://abcdefgh.supabase.co/rest/v1", "http://abcdefgh.supabase.co", " https://a.supabase.co", "https://<project>.supabase.co"],
    "TwilioApiUrl": ["", "https://api.twilio.com/", "http://api.twilio.com", "https://api.twilio.com/2010-04-01"],
    "ElevenLabsApiUrl": ["", "https://api.elevenlabs.io/v1", "http://api.elevenlabs.io"],
    "PublicBaseUrl": ["https://voice.example.com/", "http://voice.example.com", "voice.example.com", "https://voice.example.com?x=1", "https://voice.example.com/a/"],
    "AllowedOrigins": ["*", "https://app.example.com/", "app.example.com", "https://*.example.com"],
    "TwilioSecretArn": ["", "understudy/twilio", SECRET[:-7], SECRET.replace("123456789012", "12345"), "my-auth-token", "<ARN of the secret>"],
    "SupabaseSecretArn": ["", "sb_secret_abc", SECRET[:-7]],
    "ElevenLabsSecretArn": ["", "sk_abc", SECRET[:-7]],
    "SweepRate": ["", "15 minutes", "rate(0 minutes)", "rate(1 minutes)", "rate(15 minute)", "rate(15minutes)", "cron(0 * * * ? *)"],
    "AlarmEmail": ["on-call", "on-call@example", "a b@example.com"],
    "AlarmTopicArn": ["alarms", "arn:aws:sqs:eu-central-1:123456789012:alarms"],
}


def accepts(parameter: str, value: str) -> bool:
    # CloudFormation's patterns are anchored at both ends.
    return re.fullmatch(expanded()["Parameters"][parameter]["AllowedPattern"], value) is not None


@pytest.mark.parametrize("parameter, value", [(name, value) for name, values in ACCEPTED.items() for value in values])
def test_a_sound_parameter_is_accepted(parameter, value):
    assert accepts(parameter, value)


@pytest.mark.parametrize("parameter, value", [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_typo_in_a_parameter_fails_the_deployment(parameter, value):
    assert not accepts(parameter, value)


def test_the_employees_channel_has_to_be_said_since_a_guess_could_clone_the_wrong_person():
    parameter = expanded()["Parameters"]["EmployeeChannel"]
    assert parameter["AllowedValues"] == ["unknown", "1", "2"]
    assert "Default" not in parameter


def test_every_parameter_without_a_default_has_a_placeholder_that_cloudformation_refuses():
    settings = tomlkit.parse((TEMPLATE.parent / "samconfig.toml").read_text())
    placeholders = dict(override.split("=", 1) for override in settings["default"]["global"]["parameters"]["parameter_overrides"])
    for name, parameter in expanded()["Parameters"].items():
        if "Default" not in parameter:
            value = placeholders[name]
            assert value not in parameter["AllowedValues"] if "AllowedValues" in parameter else not accepts(name, value)


def test_every_parameter_is_described_and_checked():
    for name, parameter in expanded()["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), f"{name} takes anything"
    grouped = [name for group in source()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(expanded()["Parameters"])


def test_the_outputs_say_where_everything_is():
    outputs = expanded()["Outputs"]
    assert {"ApiUrl", "PublicBaseUrl", "WebhookUrl", "DashboardName"} <= set(outputs)
    for queue, dead_letters in QUEUES.items():
        assert [outputs[f"{name}Url"]["Value"] for name in (queue, dead_letters)] == [ref(queue), ref(dead_letters)]
        assert outputs[f"{dead_letters}Arn"]["Value"] == arn(dead_letters)
    assert all(choice["Fn::Sub"].endswith("/twilio/recording#rc=5&rp=all") for choice in outputs["WebhookUrl"]["Value"]["Fn::If"][1:])
    assert all(output["Description"] for output in outputs.values())
