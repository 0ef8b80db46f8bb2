"""`restore plan`: shows what `restore create` would do and change, and does nothing."""

from __future__ import annotations

from dataclasses import replace

from commands.grammar.verb import Effect
from commands.restore.create import CREATE

PLAN = replace(
    CREATE,
    name="plan",
    summary="Preview what a restore would change",
    effect=Effect.READ,
    examples=("restore plan --from-backup shop-1", "restore plan --include-namespaces shop --before 14:30"),
)
