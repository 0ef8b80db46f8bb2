"""Every kind of reply as Slack gets it. UPDATE_GOLDEN=1 writes what is said now; a diff then shows what changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.slack.item_processor import error_answer
from commands import help as helping
from commands.grammar.parser import parse
from commands.grammar.verb import Effect
from commands.grammar.vocabulary import NOUNS
from commands.planning.context import Application
from commands.planning.facts import RecordTable
from commands.registry import VERBS
from domain.answer import Answer
from domain.decision import Decision, Outcome, Reason
from domain.errors import UserError
from notifier.render.answers import render
from operations.confirmation import confirmation
from sandbox.slack.blockkit.check import check_blocks
from store.tables.subscriptions import Subscription
from tests.commands.shelf import ADA, NOW, Shelf, backup, location, namespace, recorded, resource, situation

GOLDEN = Path(__file__).parents[1] / "golden" / "answers"


def world() -> Shelf:
    held = Shelf(status={"serverVersion": "v1.18.2", "plugins": [{"name": "velero.io/aws", "kind": "ObjectStore"}]})
    away = location("far", "archive", prefix="shop")
    away["status"] = {"phase": "Unavailable", "message": "dial tcp: connection refused <@U1> *bold*"}
    held.put("backupstoragelocations", location("default", default=True), away)
    held.put("volumesnapshotlocations", resource("VolumeSnapshotLocation", "east", {"provider": "aws"}))
    held.put("namespaces", namespace("shop"), namespace("bank"))
    held.put(
        "backups",
        backup("shop-1", includedNamespaces=["shop"]),
        backup("shop-2", "PartiallyFailed", "2026-11-21T02:00:00Z", includedNamespaces=["shop"]),
        backup("all-1", "InProgress", "2026-11-21T11:59:00Z", includedNamespaces=["shop", "bank"]),
        backup("all-2", "Queued", "2026-11-21T11:59:30Z"),
    )
    made = {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"]}}
    stamp = "2026-11-01T00:00:00Z"
    held.put("schedules", resource("Schedule", "nightly", made, {"phase": "Enabled"}, creationTimestamp=stamp))
    held.put(
        "backuprepositories", resource("BackupRepository", "r", {"volumeNamespace": "shop"}, {"phase": "NotReady"})
    )
    held.records = {
        RecordTable.RIGHTS: [("backup.*", "prod", "allow", "ops")],
        RecordTable.SUBSCRIPTIONS: [Subscription("U1", "prod", "namespace", "shop", "U1", NOW)],
    }
    held.situation = situation(
        applications=(Application("store", ("shop",), "app=web"),), presets={"production": "env=prod"}
    )
    return held


def many() -> Shelf:
    days = (f"2026-10-{day:02}T00:00:00Z" for day in range(1, 31))
    return Shelf().put("backups", *(backup(f"nightly-{number:02}", started=day) for number, day in enumerate(days)))


def tenant() -> Shelf:
    return world().sees_only("shop")


def refused(line: str) -> Callable[[], Answer]:
    def say() -> Answer:
        held = world()
        try:
            plan = held.plans(line)
        except UserError as error:
            return error_answer(error, line, "ref 1234")
        raise AssertionError(f"{plan} was not refused")

    return say


def read(line: str, held: Callable[[], Shelf] = world) -> Callable[[], Answer]:
    return lambda: held().says(line)


def dry(line: str) -> Callable[[], Answer]:
    def say() -> Answer:
        return helping.dry_run(
            world().plans(line), Decision(Outcome.ALLOW, Reason.RULE, "ops"), parse(line).text("output")
        )

    return say


def asked(line: str) -> Callable[[], Answer]:
    def say() -> Answer:
        held = world()
        answer = confirmation(held.plans(line), parse(line), held.situation)
        assert answer is not None
        return answer

    return say


REPLIES: dict[str, Callable[[], Answer]] = {
    "backup-get": read("backup get"),
    "backup-get-wide": read("backup get -o wide"),
    "backup-get-yaml": read("backup get shop-1 -o yaml"),
    "backup-get-none": read("backup get --search nothing"),
    "backup-get-page": read("backup get", many),
    "backup-get-tenant": read("backup get", tenant),
    "backup-describe-left-out": read("backup describe wp-plain", lambda: recorded("wp-plain")),
    "backup-describe-hooks": read("backup describe wp-hooks", lambda: recorded("wp-hooks")),
    "backup-describe-json": read("backup describe wp-partial -o json", lambda: recorded("wp-partial")),
    "backup-describe-find": read("backup describe wp-plain --find theme/*", lambda: recorded("wp-plain")),
    "backup-describe-queued": read("backup describe all-2"),
    "backup-describe-redacted": read("backup describe all-1", tenant),
    "backup-describe-several": read("backup describe"),
    "backup-logs": read("backup logs wp-hooks", lambda: recorded("wp-hooks")),
    "backup-location-get": read("backup-location get"),
    "backup-location-get-wide": read("backup-location get -o wide"),
    "snapshot-location-get": read("snapshot-location get"),
    "repo-get": read("repo get"),
    "plugin-get": read("plugin get"),
    "plugin-get-silent": read("plugin get", Shelf),
    "version": read("version"),
    "status": read("status"),
    "whoami": read("whoami"),
    "doctor": read("doctor"),
    "check": read("check shop"),
    "check-app": read("check store"),
    "check-unprotected": read("check bank"),
    "subscribe": lambda: world().notes("subscribe namespace shop").answer,
    "subscribe-list": lambda: world().notes("subscribe").answer,
    "dry-run-create": dry("backup create b1 --include-namespaces shop"),
    "dry-run-partial": dry("backup create b1 --type partial --app store"),
    "dry-run-yaml": dry("backup create b1 --include-namespaces shop -o yaml"),
    "dry-run-refused": dry("backup-location create new --provider aws --bucket velero --prefix x"),
    "confirm-location": asked("backup-location delete far"),
    "confirm-several": asked("backup delete shop-1 shop-2"),
    "error-flag": refused("backup create x --inclde-namespaces shop"),
    "error-value": refused("backup create x --ttl 3x"),
    "error-name": refused("backup-location set defualt --default"),
    "error-list": refused("backup create x --include-namespaces shop,Bad_Name"),
    "error-noun": refused("backpu create x"),
    "error-verb": refused("backup craete x"),
    "error-missing": refused("backup create"),
    "error-refused-flag": refused("backup create x -n velero"),
    "help": lambda: helping.answer(parse("help"), (), ADA),
    "help-menu": lambda: helping.answer(parse(""), (), ADA),
    "help-noun": lambda: helping.answer(parse("help backup"), (), ADA),
    "help-verb": lambda: helping.answer(parse("backup create ?"), (), ADA),
    "help-topic": lambda: helping.answer(parse("help durations"), (), ADA),
    "help-wrong": lambda: helping.answer(parse("help bakcup"), (), ADA),
}


@pytest.mark.parametrize("name", REPLIES)
def test_reply(name: str) -> None:
    shown = render(REPLIES[name]())
    found: Any = {
        "text": shown.text,
        "blocks": list(shown.blocks),
        "files": [{"filename": file.filename, "lines": file.body.count("\n") + 1} for file in shown.files],
    }
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())
    assert list(check_blocks(list(shown.blocks))) == []
    assert shown.text.strip()


def test_no_golden_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(REPLIES)


@pytest.mark.parametrize("key", [verb.key for verb in VERBS])
def test_the_help_of_every_verb_fits(key: str) -> None:
    shown = render(helping.answer(parse(f"help {key.replace('.', ' ')}"), (), ADA))
    assert list(check_blocks(list(shown.blocks))) == []
    assert not shown.files or len(shown.blocks) > 1


@pytest.mark.parametrize("line", [example for verb in VERBS for example in verb.examples])
def test_every_example_reads_and_reads_back(line: str) -> None:
    command = parse(line)
    verb = next(verb for verb in VERBS if verb.key == command.key)
    assert verb.effect is not Effect.UNSUPPORTED
    apart = {name: value for name, value in command.flags.items() if name != "cluster"}
    assert parse(command.line).flags == apart


@pytest.mark.parametrize("line", [line for _, _, lines in helping.TOPICS.values() for line in lines])
def test_every_example_of_a_topic_reads(line: str) -> None:
    assert not parse(line).help


def test_every_noun_has_a_verb() -> None:
    assert set(NOUNS.values()) == {verb.noun for verb in VERBS}
