"""Objects that `velero install` creates besides the CRDs; restores read them."""

from sandbox.kubernetes.objects import Objects


def install(objects: Objects, namespace: str, *, node_agent: bool) -> None:
    if objects.find("namespaces", None, namespace) is None:
        objects.create("namespaces", None, {"metadata": {"name": namespace}})
    wanted = [("deployments", "velero")] + ([("daemonsets", "node-agent")] if node_agent else [])
    for resource, name in wanted:
        if objects.find(resource, namespace, name) is not None:
            continue
        labels = {"component": "velero", "name": name}
        containers = [{"name": name, "image": "velero/velero:v1.18.2"}]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        objects.create(resource, namespace, {"metadata": {"name": name, "labels": labels}, "spec": spec})
