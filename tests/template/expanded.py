"""The template as CloudFormation gets it: transformed by SAM's own translator, then linted.

Linting the template as it is written sees little of it (3 of 14 seeded faults; the expanded one shows all 14).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import boto3
from cfnlint import ManualArgs
from cfnlint import api as cfnlint
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


def source() -> dict:
    """template.yaml as it is written; short forms such as !Ref become {"Ref": …}. A new one each time."""
    return yaml_parse(TEMPLATE.read_text())


def expand(template: dict) -> dict:
    """Raises samtranslator's InvalidDocumentException."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The translator runs after `sam package`, which replaces the directory by an upload.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    # As samtranslator's `transform` does, with a session that knows a region; nothing is asked of AWS.
    to_py27_compatible_template(template, {})
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name="eu-central-1"))
    return undo_mark_unicode_str_in_template(translator.translate(template, parameter_values={}))


@cache
def expanded() -> dict:
    return expand(source())


def lint(template: dict) -> list[str]:
    """cfn-lint's findings of every level, in the region that the examples deploy to."""
    found = cfnlint.lint(json.dumps(template), config=ManualArgs(regions=["eu-central-1"], include_checks=["I"]))
    return [f"{match.rule.id} {match.message} {'/'.join(str(step) for step in match.path or [])}" for match in found]
