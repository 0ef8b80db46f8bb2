"""The readers that complete a plan with what it would change in the live cluster, by the kind of preview."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from commands.grammar.verb import PreviewKind
from domain.plan import Plan
from operations.restore_preview.reader import add_preview
from velero.cluster import Cluster

PREVIEWS: Mapping[PreviewKind, Callable[[Plan, Cluster], Awaitable[Plan]]] = {
    PreviewKind.RESTORE_CONTENTS: add_preview,
}
