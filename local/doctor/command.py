"""The command: its arguments, and how findings are printed."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from botocore.exceptions import BotoCoreError

from . import Deployed, NoStack, examine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack-name", help="a deployment in the AWS account of your credentials; without it the local stack that is up")
    parser.add_argument("--callback-url", metavar="URL", help="the recordingStatusCallback that your application uses, to be judged")
    parser.add_argument("--call", metavar="+15550100", help="calls this number, which costs some cents, and tells on which channel whoever picks up is")
    parser.add_argument("--from", dest="from_", metavar="+15550101", help="with --call: a number of the Twilio account")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")


def run(arguments: argparse.Namespace, stack_file: Path) -> int:
    """The exit code: 0 if nothing has failed, 1 if something has, 2 if there was nothing to look at."""
    if bool(arguments.call) != bool(arguments.from_):
        print("--call and --from go together", file=sys.stderr)
        return 2
    wishes = {"callback_url": arguments.callback_url, "call": arguments.call, "from": arguments.from_}
    try:
        if arguments.stack_name:
            deployment = Deployed.of_cloud(arguments.stack_name, **wishes)
        elif stack_file.exists():
            deployment = Deployed.of_stack_file(json.loads(stack_file.read_text()), **wishes)
        else:
            print("no stack is up: `make up` starts one; --stack-name NAME looks at one in the cloud", file=sys.stderr)
            return 2
        return _print(deployment, arguments.json)
    except (NoStack, BotoCoreError) as error:
        # For example, there are no credentials, or no region.
        print(error, file=sys.stderr)
        return 2


def _print(deployment: Deployed, as_json: bool) -> int:
    findings = []
    for name, finding in examine(deployment):
        findings.append({"check": name} | asdict(finding))
        if not as_json:
            print(f"{finding.verdict:<4}  {name}: {finding.found}{f' → {finding.advice}' if finding.advice else ''}", flush=True)
    failed, warned = ([one for one in findings if one["verdict"] == verdict] for verdict in ("FAIL", "warn"))
    if as_json:
        print(json.dumps({"stack": deployment.stack_name, "healthy": not failed, "findings": findings}, indent=2))
    else:
        print(f"\n{deployment.stack_name} is {f'not healthy: {len(failed)} of {len(findings)} checks failed' if failed else 'healthy'}, with {len(warned)} warnings.")
    return 1 if failed else 0
