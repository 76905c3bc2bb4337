"""Every flow, by name."""

from __future__ import annotations

from .clone_flows import Campaign, Clone, CloneAgain, FullAccount, Replace, Resolve
from .consent_flows import Erase, Evidence, Looking, Refusal, SelfService
from .flows import Flow, Ingest, Oversized, Return, Sweep, Withdraw
from .late_flows import Late, NewKeys, Rotation

FLOWS: dict[str, type[Flow]] = {
    flow.name: flow
    for flow in (
        Ingest, Oversized, Late, Rotation, Clone, CloneAgain, Replace, FullAccount, Resolve, Campaign, NewKeys, SelfService, Refusal, Evidence, Looking, Erase, Withdraw,
        Return, Sweep,
    )
}  # fmt: skip
