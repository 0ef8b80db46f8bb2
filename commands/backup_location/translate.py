"""Translates a command to the BackupStorageLocation that the velero CLI would POST. Source: velero CLI v1.18 `backup-location create`."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, DURATION, PAIRS, TEXT, Flag, choice
from commands.planning.context import PlanContext
from commands.planning.output import OUTPUT_FLAGS
from domain.duration import format_go
from domain.errors import UsageError
from domain.json_types import Json

FLAGS: tuple[Flag, ...] = (
    Flag("provider", TEXT, "Provider, for example aws, azure or gcp", group="Storage"),
    Flag("bucket", TEXT, "Bucket. It must exist and contain nothing else", group="Storage"),
    Flag("prefix", TEXT, "Path inside the bucket", group="Storage"),
    Flag("config", PAIRS, "Provider settings, for example region=…,s3Url=…", group="Storage"),
    Flag("credential", PAIRS, "Existing Secret, as name=key. Never pass the credential itself", group="Storage"),
    Flag("access-mode", choice("ReadWrite", "ReadOnly"), "Access mode: ReadWrite or ReadOnly", group="Storage"),
    Flag("default", BOOL, "Make this the default storage location", group="Storage"),
    Flag(
        "backup-sync-period",
        DURATION,
        "How often backups in the bucket are synced to the cluster; 0s turns it off",
        group="Checks",
    ),
    Flag(
        "validation-frequency", DURATION, "How often the storage location is validated; 0s turns it off", group="Checks"
    ),
    Flag("cacert", TEXT, "Not available in Slack: set the CA certificate in the cluster", group="Storage"),
    Flag("labels", PAIRS, "Labels to set on the object", group="Metadata"),
    *OUTPUT_FLAGS,
)


def parse_credential(cmd: Command) -> Json | None:
    pairs = cmd.pairs("credential")
    if len(pairs) > 1:
        raise UsageError("--credential accepts one pair: name=key.")
    return next(({**({"name": name} if name else {}), "key": key} for name, key in pairs.items()), None)


def refuse_ca_file(cmd: Command) -> None:
    if cmd.text("cacert"):
        raise UsageError(
            "--cacert needs a local file, which isn't available in Slack.",
            fix="Set spec.objectStorage.caCertRef in the cluster, or run the velero CLI on your machine.",
        )


def translate(cmd: Command, context: PlanContext) -> Json:
    for flag in ("provider", "bucket"):
        if not cmd.text(flag):
            raise UsageError(
                f"--{flag} is missing.",
                fix=f"backup-location create {cmd.name} --provider {cmd.text('provider') or 'aws'} --bucket {cmd.text('bucket') or 'BUCKET'}",
            )
    if cmd.nanoseconds("backup-sync-period") < 0:
        raise UsageError("--backup-sync-period can't be negative.")
    secret = parse_credential(cmd)
    refuse_ca_file(cmd)
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
