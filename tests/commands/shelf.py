"""A cluster on a shelf: verbs are asked as the house asks them, facts come from plain objects and files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from commands.grammar.command import Command
from commands.grammar.parser import parse
from commands.grammar.verb import MemoryChange
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import (
    Facts,
    FactsByCluster,
    FileNeed,
    MissingFile,
    ObjectNeed,
    RecordsNeed,
    RecordTable,
    ServerStatusNeed,
)
from commands.planning.reach_facts import cluster_facts
from commands.registry import verb_of
from domain.actor import Actor, ActorKind, Origin, Way
from domain.answer import Answer, Attachment, Code, Fields, Part, Table, Text
from domain.errors import ClusterError
from domain.json_types import Json
from domain.plan import Plan
from domain.selectors import parse_selector, selector_matches
from operations.facts_reader import MAX_ROUNDS
from operations.visibility import redact_facts
from policy.visible import EVERYWHERE, Layer, View, view_of_channel

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ADA = Actor(ActorKind.PERSON, "U1", "ada", email="ada@example.org")
RECORDED = Path(__file__).parents[1] / "data" / "recordings" / "artifacts"
ALL = View((Layer(EVERYWHERE),))
FILES = ("Log.log", "Results.json", "VolumeInfos.json", "ResourceList.json", "ItemOperations.json")


def situation(**changes: Any) -> PlanContext:
    given: dict[str, Any] = {
        "now": NOW,
        "new_id": lambda: "op1",
        "cluster": ClusterView("prod", server_version="v1.18.2"),
        "actor": ADA,
        "origin": Origin(Way.SLASH, channel="C1"),
    }
    return PlanContext(**{**given, **changes})


@dataclass
class Shelf:
    """`view` is what the asker may see; everything, unless told."""

    objects: dict[str, list[Json]] = field(default_factory=dict)
    files: dict[FileNeed, bytes | MissingFile] = field(default_factory=dict)
    records: dict[RecordTable, list[Any]] = field(default_factory=dict)
    status: Json | None = None
    view: View = ALL
    situation: PlanContext = field(default_factory=situation)

    def put(self, resource: str, *items: Json) -> Shelf:
        self.objects.setdefault(resource, []).extend(items)
        return self

    def sees_only(self, *namespaces: str) -> Shelf:
        self.view = view_of_channel(namespaces)
        return self

    def facts(self, command: Command) -> Facts:
        verb = verb_of(command.key)
        facts = Facts(cluster=self.situation.cluster.name)
        for _ in range(MAX_ROUNDS):
            wanted = [] if verb is None or verb.needs is None else verb.needs(command, facts).wants
            missing = [need for need in wanted if not facts.knows(need)]
            for need in missing:
                self._read(need, facts)
            redact_facts(facts, self.view, cluster_facts(facts, self.situation))
            if not missing:
                break
        return facts

    def _read(self, need: Any, facts: Facts) -> None:
        match need:
            case ObjectNeed(resource=resource, name=name, label=label):
                found = self.objects.get(resource, [])
                if label:
                    found = [
                        i for i in found if selector_matches(parse_selector(label), i["metadata"].get("labels") or {})
                    ]
                    facts.listed.add(need)
                facts.add(
                    resource, [i for i in found if name in {"", i["metadata"]["name"]}], whole=not (name or label)
                )
                if name and facts.get(resource, name) is None:
                    facts.missing.add((resource, name))
            case FileNeed():
                facts.files[need] = self.files.get(need, MissingFile(f"{need.kind} is not there (yet)."))
            case ServerStatusNeed():
                facts.status, facts.status_asked = self.status, True
            case RecordsNeed(table=table):
                facts.records[need] = self.records.get(table, [])

    def says(self, line: str) -> Answer:
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.answer is not None
        return verb.answer(command, self.world(command), self.situation)

    def world(self, command: Command) -> FactsByCluster:
        return {self.situation.cluster.name: self.facts(command)}

    def says_over(self, line: str, others: dict[str, Shelf | ClusterError]) -> Answer:
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.answer is not None
        world: dict[str, Facts | ClusterError] = dict(self.world(command))
        for name, other in others.items():
            world[name] = other.facts(command) if isinstance(other, Shelf) else other
        return verb.answer(command, world, self.situation)

    def plans(self, line: str) -> Plan:
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.plan is not None
        return verb.plan(command, self.facts(command), self.situation)

    def notes(self, line: str) -> MemoryChange:
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.change_memory is not None
        return verb.change_memory(command, self.facts(command), self.situation)


def recorded(folder: str, kind: str = "Backup") -> Shelf:
    """A run that a real Velero left, with its files."""
    path = RECORDED / folder
    item = yaml.safe_load((path / f"{kind.lower()}.yaml").read_text())
    name = item["metadata"]["name"]
    shelf = Shelf().put(f"{kind.lower()}s", item)
    for ending in FILES:
        source = path / f"{kind}{ending}"
        if source.exists():
            shelf.files[FileNeed(source.stem, name)] = source.read_bytes()
    spaces = item["spec"].get("includedNamespaces") or []
    return shelf.put("namespaces", *(namespace(each) for each in spaces if each != "*"))


def resource(kind: str, name: str, spec: Json | None = None, status: Json | None = None, **meta: Any) -> Json:
    made = {"apiVersion": "velero.io/v1", "kind": kind, "spec": spec or {}, "status": status or {}}
    return {**made, "metadata": {"name": name, "namespace": "velero", "uid": f"uid-{name}", **meta}}


def backup(name: str, phase: str = "Completed", started: str = "2026-11-21T01:00:00Z", **spec: Any) -> Json:
    status = {"phase": phase, "startTimestamp": started, "expiration": "2026-12-21T01:00:00Z"}
    return resource("Backup", name, {"storageLocation": "default", **spec}, status)


def location(name: str, bucket: str = "velero", *, prefix: str = "", default: bool = False, **spec: Any) -> Json:
    store = {"bucket": bucket} | ({"prefix": prefix} if prefix else {})
    made = {"provider": "aws", "objectStorage": store, "config": {"region": "eu"}, **spec}
    return resource(
        "BackupStorageLocation", name, made | ({"default": True} if default else {}), {"phase": "Available"}
    )


def namespace(name: str, **labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def text_of(answer: Answer) -> str:
    """Everything that it says, files too."""
    return "\n".join([answer.headline, *(_part(part) for part in answer.parts)])


def shown(answer: Answer) -> str:
    """What the message itself says."""
    return "\n".join([answer.headline, *(_part(part) for part in answer.parts if not isinstance(part, Attachment))])


def _part(part: Part) -> str:
    match part:
        case Text(body=body) | Code(body=body) | Attachment(body=body):
            return body
        case Fields(rows=rows):
            return "\n".join(f"{label}: {value}" for label, value in rows)
        case Table(columns=columns, rows=rows):
            return "\n".join("  ".join(row) for row in (columns, *rows))


def dumped(answer: Answer) -> Any:
    code = next(part for part in answer.parts if isinstance(part, Code))
    return json.loads(code.body) if code.language == "json" else yaml.safe_load(code.body)
