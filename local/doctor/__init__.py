"""`python -m local doctor`: finds out what is wrong with a deployment, before anybody else does.

It looks and changes nothing: secrets, buckets, database, vendors, alarms. Every check is a small function of its vendor's module, which takes
the deployment and returns a `Finding`; `CHECKS` there names it. A check that cannot be made says so.
"""

from __future__ import annotations

from typing import Callable, Iterator

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from . import aws, call, database, elevenlabs, settings, supabase, twilio
from .deployed import Deployed, NoStack
from .finding import Finding, NotLookedAt, fail, warn

CHECKS: dict[str, Callable[[Deployed], Finding]] = {
    **aws.CHECKS, **settings.CHECKS, **supabase.CHECKS, **database.CHECKS, **elevenlabs.CHECKS, **twilio.CHECKS,
}  # fmt: skip


def examine(deployment: Deployed) -> Iterator[tuple[str, Finding]]:
    """Each check's name with what it found, one after the other; raises NoStack."""
    checks = CHECKS | call.CHECKS if deployment.wishes.get("call") else CHECKS
    for name, check in checks.items():
        yield name, looked(check, deployment)


def looked(check: Callable[[Deployed], Finding], deployment: Deployed) -> Finding:
    """Runs a check. If it could not look, that is a finding, too. No finding quotes an exception, whose text may hold anything."""
    try:
        return check(deployment)
    except NoStack:
        raise
    except NotLookedAt as reason:
        return fail(f"not looked at: {reason}", "repair that first")
    except ClientError as error:
        code, operation = error.response["Error"]["Code"], error.operation_name
        if code.startswith(("AccessDenied", "AuthorizationError", "UnauthorizedOperation")):
            return warn(f"these AWS credentials may not call {operation}", "run the doctor with credentials that may")
        return fail(f"AWS answers {code} to {operation}", "look whether the stack is whole, in CloudFormation")
    except (httpx.HTTPError, httpx.InvalidURL, BotoCoreError, OSError) as error:
        return fail(f"out of reach: {type(error).__name__}", "look at the address among the stack's parameters, and at this machine's network")
    except Exception as error:
        return fail(f"the answer was not understood: {type(error).__name__}", "look at the address among the stack's parameters, and at the vendor's status page")


__all__ = ["CHECKS", "Deployed", "Finding", "NoStack", "examine"]
