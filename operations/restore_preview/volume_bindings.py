"""What becomes of a new PVC that still names the volume of the original, and of the addresses of new Services. Pure.

Seen on a real Velero 1.18: it drops `volumeName` only where it has a new volume provisioned. A PVC whose volume has the
reclaim policy Retain, or whose volume is left out of the restore, comes back with the name of the original's volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.json_types import Json
from operations.restore_preview.live_index import Live
from operations.restore_preview.prepare_object import node_ports
from operations.restore_preview.preview import Fate, Row
from velero.fields import section, text


class BindingOutcome(StrEnum):
    PENDING = "pending"
    ORIGINAL = "original"
    """It takes the original's volume itself, with what is in it."""
    UNSURE = "unsure"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A new PVC that asks for `volume` by name. `restored` is the volume's row, if it is part of the restore.

    `known`: volumes were looked at. `mapped`: it goes into another namespace than the original's.
    """

    claim: Row
    volume: str
    restored: Row | None
    live: Live | None
    known: bool
    mapped: bool


def predict_binding(request: BindingRequest) -> tuple[BindingOutcome, str]:
    """With the reason, as the rest of a sentence."""
    if request.restored is not None and request.restored.fate is Fate.LEFT:
        return BindingOutcome.FINE, ""
    if not request.known:
        return BindingOutcome.UNSURE, f"whether volume {request.volume} of PVC {request.claim.location} is free"
    if request.live is None:
        return _without_live(request)
    holder = request.live.claim
    if holder == (request.claim.namespace, request.claim.name):
        why = (
            f"volume {request.volume} still belongs to the deleted PVC: clear its spec.claimRef.uid, or delete it first"
        )
        return BindingOutcome.PENDING, why
    if holder is not None:
        why = f"volume {request.volume} belongs to {'/'.join(holder)}, and would be taken over once it is released and free"
        return BindingOutcome.PENDING, why
    if request.live.going:
        return BindingOutcome.PENDING, f"volume {request.volume} is being deleted"
    return (BindingOutcome.ORIGINAL, request.volume) if request.mapped else (BindingOutcome.FINE, "")


def _without_live(request: BindingRequest) -> tuple[BindingOutcome, str]:
    if request.restored is None or request.restored.fate is not Fate.NEW:
        return BindingOutcome.PENDING, f"volume {request.volume} doesn't exist and isn't restored"
    return (BindingOutcome.ORIGINAL, request.volume) if request.mapped else (BindingOutcome.FINE, "")


def requested_volume(claim: Json) -> str:
    """Of the PVC as modifiers leave it."""
    return text(section(claim, "spec"), "volumeName")


def new_addresses(saved: Json, made: Json) -> tuple[str, ...]:
    """What a new Service gets anew; a cluster IP also where its author chose one."""
    spec = section(saved, "spec")
    if text(spec, "type") == "ExternalName":
        return ()
    changed = {
        "cluster IP": text(spec, "clusterIP") not in {"", "None"},
        "node ports": bool(set(node_ports(saved)) - set(node_ports(made))),
        "load balancer": text(section(made, "spec"), "type") == "LoadBalancer",
    }
    return tuple(what for what, anew in changed.items() if anew)
