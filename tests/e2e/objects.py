"""The objects that tests put into a cluster."""

from typing import Any

from tests.e2e.api import VELERO, Api, Json, Resource
from tests.e2e.cluster import LOCATION, namespace

CONFIG_MAPS = Resource("v1", "configmaps")


def velero_object(kind: str, name: str, spec: Json, **metadata: Any) -> Json:
    return {"apiVersion": VELERO, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def backup(name: str, *namespaces: str, **spec: Any) -> Json:
    chosen = {"includedNamespaces": list(namespaces), "storageLocation": LOCATION, "ttl": "1h0m0s"}
    return velero_object("Backup", name, {**chosen, **spec})


def restore(name: str, of: str, **spec: Any) -> Json:
    return velero_object("Restore", name, {"backupName": of, "includedNamespaces": ["*"], **spec})


def schedule(name: str, cron: str, *namespaces: str, **spec: Any) -> Json:
    template = backup(name, *namespaces)["spec"]
    return velero_object("Schedule", name, {"schedule": cron, "template": template, **spec})


def download_request(name: str, kind: str, target: str) -> Json:
    return velero_object("DownloadRequest", name, {"target": {"kind": kind, "name": target}})


def delete_request(name: str, backup_name: str) -> Json:
    return velero_object("DeleteBackupRequest", name, {"backupName": backup_name})


def config_map(name: str, inside: str, **data: str) -> Json:
    metadata = {"name": name, "namespace": inside}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def make_shop(api: Api, name: str, items: int = 3) -> None:
    """A namespace with something in it that a restore has to bring back."""
    await api.apply(namespace(name), *(config_map(f"price-{i}", name, euro=str(i)) for i in range(items)))
