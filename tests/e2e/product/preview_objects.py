"""A small application whose kinds behave differently under a restore: equal, changed, missing, merged, immutable,
assigned by the cluster, of the whole cluster, of a kind of its own, with volumes.
"""

import re
from typing import Any

from tests.e2e.api import MERGE_PATCH, Json, Resource
from tests.e2e.cluster import RealCluster, namespace
from tests.e2e.objects import CONFIG_MAPS, config_map, velero_object

SERVICES = Resource("v1", "services")
SECRETS = Resource("v1", "secrets")
ACCOUNTS = Resource("v1", "serviceaccounts")
DEPLOYMENTS = Resource("apps/v1", "deployments")
CLAIMS = Resource("v1", "persistentvolumeclaims")
VOLUMES = Resource("v1", "persistentvolumes")
PODS = Resource("v1", "pods")
ROLES = Resource("rbac.authorization.k8s.io/v1", "clusterroles")
DEFINITIONS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
NAMESPACES = Resource("v1", "namespaces")
EC2 = "AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=none"


def made(inside: str, api: str, kind: str, name: str, **body: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": inside}, **body}


def pods(name: str) -> Json:
    container = {"name": "web", "image": "example.org/web:1"}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def deployment(inside: str, name: str, replicas: int = 2) -> Json:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pods(name)}
    return made(inside, "apps/v1", "Deployment", name, spec=spec)


def service(inside: str, name: str, *ports: Json, kind: str = "ClusterIP") -> Json:
    return made(inside, "v1", "Service", name, spec={"type": kind, "selector": {"app": name}, "ports": list(ports)})


def job(inside: str, name: str) -> Json:
    template = pods(name)
    spec = {"template": {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}}
    return made(inside, "batch/v1", "Job", name, spec=spec)


def claim(inside: str, name: str, volume: str = "", storage: str = "") -> Json:
    spec: Json = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": storage,
    }
    return made(inside, "v1", "PersistentVolumeClaim", name, spec=spec | ({"volumeName": volume} if volume else {}))


def secret(inside: str, name: str, value: str, **body: Any) -> Json:
    return made(inside, "v1", "Secret", name, stringData={"password": value}, **body)


def account(inside: str, name: str, *pulls: str) -> Json:
    return made(inside, "v1", "ServiceAccount", name, imagePullSecrets=[{"name": pull} for pull in pulls])


def pod(inside: str, name: str, *volumes: Json) -> Json:
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    container = {"name": "web", "image": "example.org/web:1", "volumeMounts": mounts}
    return made(inside, "v1", "Pod", name, spec={"containers": [container], "volumes": list(volumes)})


def labelled(item: Json, **labels: str) -> Json:
    meta = item["metadata"]
    return {**item, "metadata": {**meta, "labels": {**meta.get("labels", {}), **labels}}}


def application(inside: str) -> list[Json]:
    return [
        namespace(inside),
        config_map("equal", inside, color="green"),
        config_map("changed", inside, color="green"),
        config_map("missing", inside, color="green"),
        {**config_map("immutable", inside, color="green"), "immutable": True},
        service(inside, "web", {"port": 80}),
        deployment(inside, "web"),
        job(inside, "migrate"),
        claim(inside, "data"),
    ]


async def drift(cluster: RealCluster, inside: str) -> None:
    """Changes the application, as happens between a backup and its restore."""
    api = cluster.api
    await api.delete(CONFIG_MAPS, "missing", inside)
    await api.patch(CONFIG_MAPS, "changed", {"data": {"color": "red", "added": "since"}}, inside)
    await api.delete(CONFIG_MAPS, "immutable", inside)
    await api.apply({**config_map("immutable", inside, color="red"), "immutable": True})
    await api.patch(DEPLOYMENTS, "web", {"spec": {"template": {"metadata": {"labels": {"tier": "new"}}}}}, inside)
    await api.patch(SERVICES, "web", {"metadata": {"labels": {"team": "shop"}}}, inside)


# with all kinds


def definition(singular: str) -> Json:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"color": {"type": "string"}}}}}
    names = {
        "plural": f"{singular}s",
        "singular": singular,
        "kind": singular.capitalize(),
        "listKind": f"{singular}List",
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.shop.example.org"},
        "spec": {"group": "shop.example.org", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def custom(inside: str, name: str, color: str) -> Json:
    return made(inside, "shop.example.org/v1", "Theme", name, spec={"color": color})


def cluster_role(name: str, *resources: str) -> Json:
    rules = [{"apiGroups": [""], "resources": list(resources), "verbs": ["get"]}]
    meta = {"name": name}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}


def volume(name: str, source: Json, claimed: tuple[str, str], reclaim: str = "Retain") -> Json:
    spec: Json = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": reclaim,
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claimed[0], "name": claimed[1]},
    }
    labels = {"topology.kubernetes.io/zone": "us-east-1a"}
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec | source}


async def bound(
    cluster: RealCluster, inside: str, name: str, source: Json, reclaim: str = "Retain", storage: str = ""
) -> None:
    """A volume and its claim, with the status that the binder would write."""
    known_as = f"{inside}-{name}"
    await cluster.api.apply(volume(known_as, source, (inside, name), reclaim), claim(inside, name, known_as, storage))
    for resource, one in ((VOLUMES, known_as), (CLAIMS, name)):
        await status(cluster, resource, one, {"phase": "Bound"}, inside)


async def status(cluster: RealCluster, resource: Resource, name: str, found: Json, inside: str) -> None:
    path = f"{resource.path(inside, name)}/status"
    await cluster.api.do("PATCH", path, {"status": found}, content_type=MERGE_PATCH)


async def disk(cluster: RealCluster) -> Json:
    """A block device in the cloud that Velero can take snapshots of, as a volume's source."""
    await cluster.api.apply(
        velero_object("VolumeSnapshotLocation", "cloud", {"provider": "aws", "config": {"region": "us-east-1"}})
        | {"metadata": {"name": "cloud", "namespace": cluster.namespace}}
    )
    wanted = {"Action": "CreateVolume", "Version": "2016-11-15", "AvailabilityZone": "us-east-1a", "Size": "1"}
    async with cluster.session.post(cluster.store.url, data=wanted, headers={"Authorization": EC2}) as answer:
        found = re.search("<volumeId>([^<]+)<", await answer.text())
    assert found is not None
    return {"awsElasticBlockStore": {"volumeID": found[1], "fsType": "ext4"}}


async def let_go(cluster: RealCluster, resource: Resource, name: str, inside: str | None = None) -> None:
    """Removes the finalizers, as a controller does for an unused object."""
    await cluster.api.patch(resource, name, {"metadata": {"finalizers": None}}, inside)


async def removed(cluster: RealCluster, inside: str, *claims: str) -> None:
    """The namespace with all that is in it."""
    for name in claims:
        await let_go(cluster, CLAIMS, name, inside)
    await cluster.api.delete(NAMESPACES, inside)
    await cluster.api.wait_gone(NAMESPACES, inside, within=60)
