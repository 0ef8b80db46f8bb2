"""The preview of a restore: 50 MB unpacked, half of the objects live and some of them different, without the network.

Measured in a separate process, compared with its memory before the preview.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from random import Random

from benchmarks.figure import Figure
from benchmarks.process import resident
from domain.json_types import Json
from operations.restore_preview.live_index import LiveIndex
from operations.restore_preview.modifiers import Modifiers
from operations.restore_preview.preview import Preview
from operations.restore_preview.scope import Scope
from operations.restore_preview.volume_claims import NodeAgent
from operations.restore_preview.walk import Walk
from velero.artifacts.contents import stored_objects
from velero.artifacts.unpacking import UnpackLimits
from velero.kinds import Kind
from velero.live import ServedKinds

OBJECTS, LIVE, SIZE = 12_000, 6_000, 4_000
MAPS = Kind("ConfigMap", "configmaps", "")
SPACES = Kind("Namespace", "namespaces", "", namespaced=False)
SERVED = ServedKinds({(kind.api_version, kind.name): kind for kind in (MAPS, SPACES)})
SPEC = {"includedNamespaces": ["shop"], "existingResourcePolicy": "update"}


def config_map(number: int, *, changed: bool = False) -> Json:
    """Return text that compresses badly and is the same in every run."""
    text = Random(number).randbytes(SIZE // 2).hex()
    data = {"text": text, "changed": "yes" if changed else "no"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"m-{number}", "namespace": "shop", "uid": f"u-{number}"},
        "data": data,
    }


def pack(path: Path) -> int:
    """Pack the archive. Return its unpacked size in bytes."""
    total = 0
    with gzip.open(path, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(OBJECTS):
            body = json.dumps(config_map(number)).encode()
            info = tarfile.TarInfo(f"resources/configmaps/namespaces/shop/m-{number}.json")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
            total += len(body)
    return total


def foretold(path: Path) -> Preview:
    shelf = LiveIndex(
        {("configmaps", "shop", f"m-{number}") for number in range(OBJECTS)} | {("namespaces", "", "shop")}
    )
    shelf.add(SPACES, {"kind": "Namespace", "metadata": {"name": "shop"}})
    for number in range(LIVE):
        shelf.add(MAPS, config_map(number, changed=number % 10 == 0))
    walk = Walk(Scope(SPEC), SERVED, shelf, frozenset(), Modifiers(), (), None)
    with path.open("rb") as packed:
        for stored in stored_objects(packed, UnpackLimits(unpacked=1 << 30, packed=1 << 30, ratio=100)):
            walk.visit(stored)
    return walk.preview({}, NodeAgent.UNKNOWN)


def alone(path: Path) -> Json:
    before = resident(os.getpid())
    began = time.perf_counter()
    found = foretold(path)
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": spent, "more": peak - before, "rows": len(found.rows)}


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "backup.tar.gz"
        size = pack(path)
        argv = [sys.executable, "-m", "benchmarks.previews", str(path)]
        told = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    assert told["rows"] == OBJECTS
    return Figure(
        f"preview of a backup of {size >> 20} MiB",
        told["seconds"],
        5,
        "s",
        more={"MiB more at the peak": (told["more"], 100)},
    )


if __name__ == "__main__":
    print(json.dumps(alone(Path(sys.argv[1]))))
