"""docs/operations.md is true of the deployment."""

from __future__ import annotations

import re
import subprocess
from functools import cache

import pytest

from .expanded import TEMPLATE, source

OPERATIONS = (TEMPLATE.parent / "docs" / "operations.md").read_text()
WHEN_IT_GOES_WRONG = re.search(r"^## When it goes wrong\n(.+?)(?=^## |\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)[1]
RESOURCES, OUTPUTS = source()["Resources"], source()["Outputs"]
ALARMS = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
# The programs of an operator, besides the functions that the section defines itself.
PROGRAMS = {"aws", "curl", "psql"}


def test_the_configuration_table_names_every_parameter_with_its_default_and_meaning():
    for name, parameter in source()["Parameters"].items():
        default = {"": "none", None: "required"}.get(parameter.get("Default"), f"`{parameter.get('Default')}`")
        assert f"| `{name}` | {default} | {parameter['Description'].strip()} |" in OPERATIONS, name


# -- when it goes wrong ---------------------------------------------------------------------------------------------------


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)


@cache
def explained() -> dict[str, str]:
    """Alarm (or …kind) → its paragraph, query and command."""
    found = {}
    for entry in re.split(r"^(?=\*\*`)", WHEN_IT_GOES_WRONG, flags=re.MULTILINE)[1:]:
        heading, _, rest = entry.partition(":")
        for name in re.findall(r"\*\*`(…?\w+)`\*\*", heading):
            found[name] = rest
    return found


def kind(alarm: str) -> str:
    """Those that each function has are explained together."""
    return next((f"…{kind}" for kind in ("ErrorsAlarm", "ThrottlesAlarm") if alarm.endswith(kind)), alarm)


def test_the_alarms_that_are_explained_are_those_that_there_are():
    assert set(explained()) == {kind(alarm) for alarm in ALARMS}


@pytest.mark.parametrize("alarm", sorted({kind(alarm) for alarm in ALARMS}))
def test_an_alarm_is_explained_with_a_query_of_a_log_that_there_is(alarm):
    (query,) = blocks(explained()[alarm])
    log_group, _, query = query.partition("\n")
    functions = [resource["Metadata"]["BuildProperties"]["Binary"] for resource in RESOURCES.values() if "Metadata" in resource]
    there_are = {f"# /aws/lambda/understudy-{function}" for function in [*functions, "FUNCTION"]} | {"# /aws/vendedlogs/understudy-access"}
    assert log_group in there_are
    assert re.match(r"(filter|stats) ", query)


@pytest.mark.parametrize("alarm", sorted({kind(alarm) for alarm in ALARMS}))
def test_an_alarm_is_explained_with_a_command_that_there_is(alarm):
    (commands,) = blocks(explained()[alarm], "sh")
    assert subprocess.run(["sh", "-n"], input=commands, text=True, capture_output=True).stderr == ""
    for command in re.findall(r"^(\w+)", commands, re.MULTILINE):
        assert command in PROGRAMS | defined(), command
    assert set(re.findall(r'output (\w+)', commands)) <= set(OUTPUTS)


def defined() -> set[str]:
    return set(re.findall(r"^(\w+)\(\)", blocks(WHEN_IT_GOES_WRONG, "sh")[0], re.MULTILINE))


def test_every_dead_letter_queue_has_its_redrive_and_the_stack_tells_its_arn():
    redriven = {name for entry in explained().values() for name in re.findall(r"^redrive (\w+)$", entry, re.MULTILINE)}
    assert redriven == {name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::SQS::Queue" and "DeadLetters" in name}
    assert {f"{name}Arn" for name in redriven} <= set(OUTPUTS)


def test_the_functions_that_the_commands_use_are_sound_shell():
    assert subprocess.run(["sh", "-n"], input=blocks(WHEN_IT_GOES_WRONG, "sh")[0], text=True, capture_output=True).stderr == ""
