"""Clicks on a request for approval: a vote, a rejection with its reason, a withdrawal, a look at the whole plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import yaml

from bot.slack.forms import REASON, metadata
from bot.slack.payloads import Received
from domain.actor import Actor, Origin
from domain.answer import Answer, Attachment, Code, Fields, Part, Text
from domain.approval import Approval, VoteKind
from domain.operation import Operation
from domain.plan import Plan
from operations.approval.approvals import Approvals
from store.scrub import scrub

Say = Callable[[Origin, Actor, Answer], Awaitable[None]]
Click = Callable[[Received, Actor, Origin, str], Awaitable[str]]
"""Sees a click through that is no command: a vote, a withdrawal. Returns how it ended."""
CastVote = Callable[[str, Actor, VoteKind, str, str], Awaitable[Answer]]
"""Arguments: approval, voter, kind, reason, and the fingerprint on the button."""

APPROVE, REJECT, DETAILS, WITHDRAW = "approve:", "reject:", "details:", "withdraw:"


@dataclass(frozen=True, slots=True)
class Clicks:
    """By prefix of the action id. `unsure`: what may be clicked while Slack does not say who clicks; it is kept until then."""

    known: Mapping[str, Click]
    unsure: Mapping[str, Click]


def vote_clicks(approvals: Approvals, say: Say) -> Clicks:
    """The value carries the fingerprint that the voter saw."""

    def voting(prefix: str, kind: VoteKind, cast: CastVote) -> Click:
        async def click(received: Received, actor: Actor, origin: Origin, _key: str) -> str:
            why = (received.extra.get("values") or {}).get(REASON, "").strip()
            await say(origin, actor, await cast(_id(received, prefix), actor, kind, why, _fingerprint(received)))
            return "voted"

        return click

    def both(cast: CastVote) -> dict[str, Click]:
        return {
            APPROVE: voting(APPROVE, VoteKind.APPROVE, cast),
            REJECT: voting(REJECT, VoteKind.REJECT, cast),
        }

    async def details(received: Received, actor: Actor, origin: Origin, _key: str) -> str:
        await say(origin, actor, full_plan(*await approvals.details(_id(received, DETAILS), actor)))
        return "shown"

    async def withdraw(received: Received, actor: Actor, origin: Origin, _key: str) -> str:
        await say(origin, actor, await approvals.withdraw(_id(received, WITHDRAW), actor))
        return "withdrawn"

    return Clicks(
        {**both(approvals.voting.vote), DETAILS: details, WITHDRAW: withdraw}, both(approvals.voting.keep_vote)
    )


def _id(received: Received, prefix: str) -> str:
    action = metadata(received.value).get("action", received.action) if received.kind == "form" else received.action
    return action.removeprefix(prefix)


def _fingerprint(received: Received) -> str:
    """Return the fingerprint that the button carries. "none" matches no request: every button of the bot carries one."""
    return metadata(received.value).get("fingerprint", "none")


def full_plan(approval: Approval, operation: Operation, plan: Plan) -> Answer:
    """Everything that a voter may want to read before: manifests, evidence, every object that it would change."""
    manifests = scrub(yaml.safe_dump_all([step.manifest for step in plan.steps], sort_keys=False))
    rows = (
        ("Requested by", approval.requester),
        ("Plan fingerprint", plan.fingerprint),
        ("Approval fingerprint", approval.fingerprint),
        ("Based on", yaml.safe_dump(dict(plan.evidence), sort_keys=False).strip() or "-"),
    )
    notes = [Text(note) for note in plan.notes]
    files = [Attachment(f"{operation.subject}.yaml", manifests, "Objects this creates")]
    if plan.report:
        files.append(Attachment(f"{operation.subject}-preview.txt", plan.report, "All changes"))
    parts: tuple[Part, ...] = (Fields(rows), *notes, Code(scrub(plan.cli)), *files)
    names = plan.reach.namespaces
    title = f"{operation.noun} {operation.verb} {operation.subject}"
    return Answer(f"Plan of {title}", parts, cluster=operation.cluster, namespaces=names)
