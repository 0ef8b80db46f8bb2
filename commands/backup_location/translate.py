"""The BackupStorageLocation that the velero CLI would POST. Source: velero CLI v1.18 `backup-location create`."""

from __future__ import annotations

from typing import Any

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, DURATION, PAIRS, TEXT, Flag, choice
from commands.planning.context import PlanContext
from commands.planning.output import OUTPUT_FLAGS
from domain.duration import format_go
from domain.errors import UsageError

Json = dict[str, Any]

FLAGS: tuple[Flag, ...] = (
    Flag("provider", TEXT, "Provider: aws, azure, gcp, …", group="Storage"),
    Flag("bucket", TEXT, "Bucket; it must exist and hold nothing else", group="Storage"),
    Flag("prefix", TEXT, "Path inside the bucket", group="Storage"),
    Flag("config", PAIRS, "Settings of the provider: region=…,s3Url=…", group="Storage"),
    Flag("credential", PAIRS, "An existing Secret: name=key. Never the secret itself", group="Storage"),
    Flag("access-mode", choice("ReadWrite", "ReadOnly"), "ReadWrite or ReadOnly", group="Storage"),
    Flag("default", BOOL, "Make it the default location", group="Storage"),
    Flag(
        "backup-sync-period", DURATION, "How often backups in the bucket are made known here; 0s: never", group="Checks"
    ),
    Flag("validation-frequency", DURATION, "How often it is checked; 0s: never", group="Checks"),
    Flag("cacert", TEXT, "Not from chat: a certificate is set in the cluster", group="Storage"),
    Flag("labels", PAIRS, "Labels of the object", group="Marks"),
    *OUTPUT_FLAGS,
)


def credential(cmd: Command) -> Json | None:
    pairs = cmd.pairs("credential")
    if len(pairs) > 1:
        raise UsageError("--credential takes one pair, secret=key.")
    return next(({**({"name": name} if name else {}), "key": key} for name, key in pairs.items()), None)


def refuse_credential_file(cmd: Command) -> None:
    if cmd.text("cacert"):
        raise UsageError(
            "--cacert names a file, and there are no files here.",
            fix="Set spec.objectStorage.caCertRef in the cluster, or run the velero CLI where the file is.",
        )


def translate(cmd: Command, context: PlanContext) -> Json:
    for flag in ("provider", "bucket"):
        if not cmd.text(flag):
            raise UsageError(f"--{flag} is missing.", fix="backup-location create NAME --provider aws --bucket BUCKET")
    if cmd.nanoseconds("backup-sync-period") < 0:
        raise UsageError("--backup-sync-period cannot be negative.")
    secret = credential(cmd)
    refuse_credential_file(cmd)
    storage = {"bucket": cmd.text("bucket")} | ({"prefix": cmd.text("prefix")} if cmd.text("prefix") else {})
    spec: Json = {
        "accessMode": cmd.text("access-mode") or "ReadWrite",
        "objectStorage": storage,
        "provider": cmd.text("provider"),
    }
    if cmd.pairs("config"):
        spec["config"] = cmd.pairs("config")
    if cmd.is_true("default"):
        spec["default"] = True
    for flag, field in (("backup-sync-period", "backupSyncPeriod"), ("validation-frequency", "validationFrequency")):
        if cmd.has_flag(flag):
            spec[field] = format_go(cmd.nanoseconds(flag))
    if secret:
        spec["credential"] = secret
    metadata: Json = {"name": cmd.name, "namespace": context.namespace}
    if cmd.pairs("labels"):
        metadata["labels"] = cmd.pairs("labels")
    return {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": metadata, "spec": spec}
