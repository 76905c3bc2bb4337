"""Checks of the stack's parameters that deploy well and then surprise."""

from __future__ import annotations

from .deployed import Deployed
from .finding import Finding, ok, warn


def employee_channel(deployment: Deployed) -> Finding:
    channel = deployment.parameters["EmployeeChannel"]
    if channel == "unknown":
        return warn("EmployeeChannel is unknown: a clone needs calls.employee_channel of each call", "find it out with --call, and deploy with 1 or 2")
    return ok(f"the employee is on channel {channel} of a call of two legs; --call tries it")


def origins(deployment: Deployed) -> Finding:
    origins = deployment.parameters["AllowedOrigins"]
    if not origins:
        return warn("AllowedOrigins is empty: no browser may read an answer of the API", "deploy with the origins of your frontend, if it is a page")
    return ok(f"pages of {origins} may use the API")


CHECKS = {"employee's channel": employee_channel, "frontend's origins": origins}
