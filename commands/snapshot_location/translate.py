"""Translates a command to the VolumeSnapshotLocation that the velero CLI would POST. Source: velero CLI v1.18 `snapshot-location create`."""

from __future__ import annotations

from commands.backup_location.translate import parse_credential
from commands.grammar.command import Command
from commands.grammar.flags import PAIRS, TEXT, Flag
from commands.planning.context import PlanContext
from commands.planning.output import OUTPUT_FLAGS
from domain.errors import UsageError
from domain.json_types import Json

FLAGS: tuple[Flag, ...] = (
    Flag("provider", TEXT, "Provider, for example aws, azure or gcp", group="Storage"),
    Flag("config", PAIRS, "Provider settings, for example region=…", group="Storage"),
    Flag("credential", PAIRS, "Existing Secret, as name=key. Never pass the credential itself", group="Storage"),
    Flag("labels", PAIRS, "Labels to set on the object", group="Metadata"),
    *OUTPUT_FLAGS,
)


def translate(cmd: Command, context: PlanContext) -> Json:
    if not cmd.text("provider"):
        raise UsageError("--provider is missing.", fix=f"snapshot-location create {cmd.name} --provider aws")
    secret = parse_credential(cmd)
    spec: Json = {"provider": cmd.text("provider")}
    if cmd.pairs("config"):
        spec["config"] = cmd.pairs("config")
    if secret:
        spec["credential"] = secret
    metadata: Json = {"name": cmd.name, "namespace": context.namespace}
    if cmd.pairs("labels"):
        metadata["labels"] = cmd.pairs("labels")
    return {"apiVersion": "velero.io/v1", "kind": "VolumeSnapshotLocation", "metadata": metadata, "spec": spec}
