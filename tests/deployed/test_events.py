"""The files in events/: refused as documented as they stand, and done when made right for the stack."""

from __future__ import annotations

import json

import pytest
from samcli.yamlhelper import yaml_parse

from local.bridge import LOOPBACK, Bridge, environment
from local.deployment import ROOT
from local.events import EVENTS, example, made_right
from local.stack import FUNCTIONS

from .outcomes import assert_done, assert_refused


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_as_it_stands_is_refused_as_documented(scenario, name):
    assert_refused(name, invoke(scenario, name, example(name)))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_made_right_is_done(scenario, name):
    event = made_right(scenario, name)
    assert_done(scenario, name, event, invoke(scenario, name, event))


def test_every_event_has_a_file_and_every_function_an_event():
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == set(EVENTS)
    assert set(EVENTS.values()) == set(FUNCTIONS)


def test_the_environment_file_names_exactly_the_declared_variables_and_no_loopback(stack):
    template = yaml_parse((ROOT / "template.yaml").read_text())
    everywhere = set(template["Globals"]["Function"]["Environment"]["Variables"])
    declared = {
        name: everywhere | set(resource["Properties"]["Environment"]["Variables"])
        for name, resource in template["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"
    }  # fmt: skip
    written = environment(stack, "192.0.2.7")
    for variables in written.values():
        variables.pop("MADE_COLD", None)  # other tests' means to end a warm function
    assert {name: set(variables) for name, variables in written.items()} == declared
    assert all(value and LOOPBACK not in value for variables in written.values() for value in variables.values())


def test_the_bridge_passes_on_every_port_of_the_stack_and_is_gone_afterwards(scenario, stack, tmp_path):
    # Another loopback address stands for the one on Docker's bridge.
    with Bridge(stack, tmp_path, host="127.0.0.99") as bridge:
        variables = json.loads(bridge.env_file.read_text())["CloneWorker"]
        for name in ("AWS_API_URL", "SUPABASE_URL", "ELEVENLABS_API_URL"):
            assert variables[name].startswith("http://127.0.0.99:")
            assert scenario.request("GET", f"{variables[name]}/").body
    assert not bridge.env_file.exists()
    with pytest.raises(OSError):
        scenario.request("GET", f"{variables['SUPABASE_URL']}/")


def invoke(scenario, name: str, event: dict):
    function = scenario.stack["aws"]["functions"][EVENTS[name]]
    answer = scenario.aws("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload
