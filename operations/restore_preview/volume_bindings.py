"""Predicts the binding of new PVCs that name a volume, and the new addresses of Services. Pure.

Observed with Velero 1.18: it removes `volumeName` from a PVC only if a new volume is provisioned. A PVC whose volume has
the reclaim policy Retain, or whose volume isn't part of the restore, is restored with the name of the original volume. It
then stays Pending, or binds to the original data.
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
    """The PVC binds to the original volume itself, with its data."""
    UNSURE = "unsure"
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A new PVC that names `volume`. `restored` is the volume's row, if the volume is part of the restore.

    `known`: volumes could be read. `mapped`: the PVC is restored into another namespace.
    """

    claim: Row
    volume: str
    restored: Row | None
    live: Live | None
    known: bool
    mapped: bool


def predict_binding(request: BindingRequest) -> tuple[BindingOutcome, str]:
    """The outcome and its reason, as part of a sentence."""
    if request.restored is not None and request.restored.fate is Fate.EXCLUDED:
        return BindingOutcome.FINE, ""
    if not request.known:
        return BindingOutcome.UNSURE, f"whether volume `{request.volume}` of PVC {request.claim.location} is free"
    if request.live is None:
        return _without_live(request)
    holder = request.live.claim
    if holder == (request.claim.namespace, request.claim.name):
        why = f"volume `{request.volume}` still belongs to the deleted PVC: clear its spec.claimRef.uid, or delete it first"
        return BindingOutcome.PENDING, why
    if holder is not None:
        why = f"volume `{request.volume}` belongs to {'/'.join(holder)}; once it is released and free, this PVC binds to it"
        return BindingOutcome.PENDING, why
    if request.live.terminating:
        return BindingOutcome.PENDING, f"volume `{request.volume}` is being deleted"
    return (BindingOutcome.ORIGINAL, request.volume) if request.mapped else (BindingOutcome.FINE, "")


def _without_live(request: BindingRequest) -> tuple[BindingOutcome, str]:
    if request.restored is None or request.restored.fate is not Fate.NEW:
        return BindingOutcome.PENDING, f"volume `{request.volume}` doesn't exist and isn't restored"
    return (BindingOutcome.ORIGINAL, request.volume) if request.mapped else (BindingOutcome.FINE, "")


def requested_volume(claim: Json) -> str:
    """The volume that the modified PVC names."""
    return text(section(claim, "spec"), "volumeName")


def new_addresses(saved: Json, restored: Json) -> tuple[str, ...]:
    """The addresses that a new Service gets; the cluster IP is new even if the author chose one."""
    spec = section(saved, "spec")
    if text(spec, "type") == "ExternalName":
        return ()
    changed = {
        "cluster IP": text(spec, "clusterIP") not in {"", "None"},
        "node ports": bool(set(node_ports(saved)) - set(node_ports(restored))),
        "load balancer": text(section(restored, "spec"), "type") == "LoadBalancer",
    }
    return tuple(address for address, is_new in changed.items() if is_new)
