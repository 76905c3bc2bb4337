"""The README says of the deployment what is true."""

from __future__ import annotations

from .expanded import TEMPLATE, source

README = (TEMPLATE.parent / "README.md").read_text()


def test_the_configuration_table_names_every_parameter_with_its_default_and_meaning():
    for name, parameter in source()["Parameters"].items():
        default = {"": "none", None: "required"}.get(parameter.get("Default"), f"`{parameter.get('Default')}`")
        assert f"| `{name}` | {default} | {parameter['Description'].strip()} |" in README, name


def test_every_alarm_is_explained():
    alarms = [name for name, resource in source()["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    for alarm in alarms:
        kind = "…ErrorsAlarm" if alarm.endswith("ErrorsAlarm") else "…ThrottlesAlarm" if alarm.endswith("ThrottlesAlarm") else alarm
        assert f"| `{kind}` |" in README, alarm
