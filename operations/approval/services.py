"""The services that the parts of an approval share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from domain.actor import Actor
from operations.approval.timers import ApprovalTimes
from operations.request import Policy
from store.writer import Store

IdentifyActor = Callable[..., Awaitable[Actor]]
"""Looks up a person as they are now, by the stored id and, where known, the workspace that they wrote from.

Raises UserError if they may no longer use the bot, IdentityUnknown if Slack can't be asked.
"""


@dataclass(frozen=True, slots=True)
class ApprovalServices:
    store: Store
    policy: Callable[[], Policy]
    identify: IdentifyActor
    settings: Callable[[], ApprovalTimes]
    now: Callable[[], datetime]
