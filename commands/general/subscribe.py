"""The verbs `subscribe` and `unsubscribe`: notifications about a namespace, schedule or backup, stored by the bot alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, Flag, choice
from commands.grammar.verb import Args, Effect, MemoryChange, Verb
from commands.planning import object_fields, output
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed, RecordsNeed, RecordTable
from commands.planning.selection import absence
from domain.actor import ActorKind
from domain.answer import Answer, Button, Part, Table, Text
from domain.counting import counted
from domain.errors import NotFound, Refused, UsageError
from store.tables.audit import AuditEntry
from store.tables.subscriptions import Subscription

if TYPE_CHECKING:
    from store.transaction import Transaction

KINDS = {
    "namespace": "namespace",
    "namespaces": "namespace",
    "ns": "namespace",
    "schedule": "schedule",
    "schedules": "schedule",
    "backup": "backup",
    "backups": "backup",
}
RESOURCES = {"namespace": "namespaces", "schedule": "schedules", "backup": "backups"}

FLAGS: tuple[Flag, ...] = (
    Flag(
        "on",
        choice("failures", "all", "none"),
        "Which events: failures, all, or none to unsubscribe",
        group="Events",
        ours=True,
    ),
    Flag(
        "here",
        BOOL,
        "Notify this channel instead of you; limited to namespaces the channel may see",
        group="Target",
        ours=True,
    ),
)


def receiver(cmd: Command, context: PlanContext) -> str:
    if not cmd.is_true("here"):
        return context.actor.id
    if not context.origin.channel:
        raise UsageError(
            "--here only works in a channel.", why="This command wasn't run in a channel.", fix="Run it in the channel."
        )
    return context.origin.channel


def subscriptions_need(cmd: Command) -> RecordsNeed:
    """Subscriptions of the requester, or with `--here` of the channel; the reader of records knows both."""
    return RecordsNeed(RecordTable.SUBSCRIPTIONS, (("here", "yes"),) if cmd.is_true("here") else ())


SCOPE = RecordsNeed(RecordTable.CHANNEL_SCOPE)
"""Namespaces that the channel may see; `*` means all, no row means none."""


def needs(cmd: Command, _known: Facts) -> Needs:
    kind = KINDS.get(cmd.name, "")
    resource = RESOURCES.get(kind, "namespaces")
    return Needs.of(
        ObjectNeed(resource),
        ObjectNeed("namespaces", optional=True),
        subscriptions_need(cmd),
        SCOPE if cmd.is_true("here") else None,
    )


def change_memory(cmd: Command, facts: Facts, context: PlanContext) -> MemoryChange:
    if not cmd.names:
        return MemoryChange(list_answer(cmd, facts))
    wanted = _wanted(cmd, facts, context)
    over = cmd.text("on") == "none" or cmd.noun == "unsubscribe"
    what, here = f"{wanted.kind} `{wanted.name}`", cmd.is_true("here")
    if over:
        who = "This channel no longer gets" if here else "You no longer get"
        return MemoryChange(Answer(f"{who} notifications about {what}."), lambda tx: _end(tx, wanted, context))
    who = "This channel is" if here else "You are"
    events = "all events" if wanted.outcome == "all" else "failures"
    line = f"unsubscribe {wanted.kind} {wanted.name}" + (" --here" if here else "")
    answer = Answer(
        f"{who} notified about {events} of {what}.",
        buttons=(Button("Unsubscribe", output.with_cluster_flag(line, context)),),
    )
    return MemoryChange(answer, lambda tx: _begin(tx, wanted, context))


def _wanted(cmd: Command, facts: Facts, context: PlanContext) -> Subscription:
    kind = KINDS.get(cmd.name)
    if kind is None or len(cmd.names) != 2:
        raise UsageError(
            f"What do you want to {cmd.noun} {'to' if cmd.noun == 'subscribe' else 'from'}?",
            nearest=("namespace", "schedule", "backup"),
            fix=f"{cmd.noun} namespace {cmd.name if facts.get('namespaces', cmd.name) else 'NAME'}",
        )
    name, who = cmd.names[1], receiver(cmd, context)
    if cmd.noun == "subscribe" and cmd.text("on") != "none":
        if context.actor.kind is not ActorKind.PERSON and not cmd.is_true("here"):
            raise Refused("Only people and channels can subscribe.", fix="Run it in Slack.")
        _visible(kind, name, facts)
        if cmd.is_true("here"):
            _within(kind, name, facts)
    outcome = cmd.text("on") or "failures"
    return Subscription(who, context.cluster.name, kind, name, context.actor.id, context.now, outcome)


def _visible(kind: str, name: str, facts: Facts) -> None:
    resource = RESOURCES[kind]
    if facts.is_absent(resource, name):
        raise NotFound(absence(kind, name, facts), nearest=facts.nearest(resource, name))
    if (resource, name) in facts.redacted:
        raise Refused(
            f"You don't have permission to subscribe to `{name}`: it includes other namespaces.",
            fix="subscribe namespace NAME",
        )


def _within(kind: str, name: str, facts: Facts) -> None:
    scope = frozenset(map(str, facts.records.get(SCOPE, [])))
    item = facts.get(RESOURCES[kind], name) or {}
    spec = object_fields.spec(item)
    included = {name} if kind == "namespace" else set((spec.get("template") or spec).get("includedNamespaces") or ["*"])
    if "*" in scope or included <= scope:
        return
    outside = ", ".join(sorted(map(str, included - scope)))
    raise Refused(
        f"`{name}` includes namespaces this channel may not see: {outside}.",
        why=f"This channel may see: {', '.join(sorted(scope)) or 'no namespaces'}.",
        nearest=tuple(sorted(scope))[:5],
        fix=f"subscribe {kind} {name}",
    )


def list_answer(cmd: Command, facts: Facts) -> Answer:
    found: list[Subscription] = facts.records.get(subscriptions_need(cmd), [])
    rows = tuple((one.cluster, one.kind or "everything", one.name or "*", one.outcome) for one in found)
    if not rows:
        return Answer("No subscriptions.", (Text("Get notified about failures: `subscribe namespace NAME`."),))
    parts: tuple[Part, ...] = (Table(("CLUSTER", "KIND", "NAME", "EVENTS"), rows),)
    return Answer(counted(len(rows), "subscription"), parts)


def _begin(tx: Transaction, wanted: Subscription, context: PlanContext) -> None:
    tx.subscriptions.add(wanted)
    tx.audit.append(_entry("subscribe", wanted, context))


def _end(tx: Transaction, wanted: Subscription, context: PlanContext) -> None:
    if tx.subscriptions.remove(wanted.receiver, wanted.cluster, wanted.kind, wanted.name):
        tx.audit.append(_entry("unsubscribe", wanted, context))


def _entry(action: str, wanted: Subscription, context: PlanContext) -> AuditEntry:
    return AuditEntry(
        at=context.now,
        actor=context.actor.id,
        action=action,
        outcome="done",
        subject=f"{wanted.kind} {wanted.name}",
        cluster=wanted.cluster,
        detail={"receiver": wanted.receiver, "on": wanted.outcome},
    )


SUBSCRIBE = Verb(
    noun="subscribe",
    name="",
    summary="Get notifications about a namespace, schedule or backup; without arguments, list subscriptions",
    effect=Effect.MEMORY,
    args=Args("KIND NAME", 0, 2),
    flags=FLAGS,
    needs=needs,
    change_memory=change_memory,
    examples=("subscribe namespace shop", "subscribe schedule nightly --on all --here", "subscribe"),
)

UNSUBSCRIBE = Verb(
    noun="unsubscribe",
    name="",
    summary="Stop notifications",
    effect=Effect.MEMORY,
    args=Args("KIND NAME", 0, 2),
    flags=FLAGS[1:],
    needs=needs,
    change_memory=change_memory,
    examples=("unsubscribe namespace shop",),
)
