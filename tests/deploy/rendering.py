"""What `kubectl apply -k` would send: as much of kustomize as deploy/ uses, and nothing it does not know passes."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from domain.json_types import Json

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KNOWN = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "images"}


def render(directory: Path, *, components: tuple[Path, ...] = ()) -> list[Json]:
    plan = load(directory / "kustomization.yaml")[0]
    assert plan.keys() <= KNOWN, plan.keys() - KNOWN
    found = list(_resources(directory, plan["resources"]))
    for each in components or [directory / name for name in plan.get("components", [])]:
        found += render(each)
    found += [_config_map(directory, each) for each in plan.get("configMapGenerator", [])]
    for image in plan.get("images", []):
        _retag(found, image["name"], f"{image.get('newName', image['name'])}:{image['newTag']}")
    return found


def _resources(directory: Path, names: list[str]) -> Iterator[Json]:
    for name in names:
        path = (directory / name).resolve()
        assert path.is_relative_to(directory.resolve()), "kustomize loads nothing from outside"
        yield from render(path) if path.is_dir() else load(path)


def load(path: Path) -> list[Json]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]


def _config_map(directory: Path, generator: Json) -> Json:
    pairs = (entry.partition("=") for entry in generator["files"])
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": generator["name"],
            "namespace": generator["namespace"],
            "labels": generator["options"]["labels"],
        },
        "data": {key: (directory / name).read_text("utf-8") for key, _, name in pairs},
    }


def _retag(objects: list[Json], name: str, image: str) -> None:
    for each in objects:
        if each["kind"] == "Deployment":
            for container in each["spec"]["template"]["spec"]["containers"]:
                if container["image"] == name:
                    container["image"] = image


def one(objects: list[Json], kind: str, name: str = "velero-chatops") -> Json:
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found
