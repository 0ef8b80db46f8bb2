"""One cluster for each half of the suite, a second one for those that ask for it, and their logs where a test fails.

The halves run side by side, the later one in a network of its own; where that is not permitted they run one by one.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import aiohttp
import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.e2e.build import BuildError, Parts, ensure
from tests.e2e.cluster import RealCluster, start_cluster
from tests.e2e.network import Annex, NotPermitted, may_move_out, move_out, open_annex
from tests.e2e.ports import free_ports
from tests.e2e.processes import Keeper
from tests.e2e.s3 import ObjectStore, start_store

CLUSTERS = pytest.StashKey[list[RealCluster]]()
ORDER = (
    "/contract/",
    "e2e/test_differential",
    "/product/test_preview",
    "/product/test_bot",
    "/product/test_rights",
    "e2e/test_horizon",
    "/product/test_schedules",
    "e2e/test_rows",
    "/product/test_alertmanager",
    "/product/test_outages",
    "/product/test_story",
    "/product/test_leaving",
    "e2e/test_rights_in_turn",
    "e2e/test_backup",
    "e2e/test_harness",
    "e2e/test_forgetting",
    "/scenarios/",
)
HALVES = ("product", "scenarios")
LOG_LINES = {"velero": 40}  # the others: five


def pytest_xdist_auto_num_workers() -> int:
    return len(HALVES) if may_move_out() else 0


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CLUSTERS] = []
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
        move_out()


class Halves(LoadScopeScheduling):  # type: ignore[misc]
    """Each half in one process; xdist's own groups are lost since pytest 9.2 keeps its node ids to itself."""

    def _split_scope(self, nodeid: str) -> str:
        return HALVES["scenarios/" in nodeid.partition("::")[0]]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Halves(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=place)


def place(item: pytest.Item) -> int:
    """What takes minutes of waiting begins first; what kills a server, and what clears the cluster, comes late."""
    if item.name.startswith("test_the_stor"):
        return -1
    return next((n for n, part in enumerate(ORDER) if part in item.path.as_posix()), 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the real parts said last."""
    report = yield
    if report.failed:
        for cluster in item.config.stash[CLUSTERS]:
            report.sections.append((f"{cluster.name}: all logs", str(cluster.directory)))
            for process in cluster.processes:
                report.sections.append(
                    (f"{cluster.name}: {process.name}", process.last_words(LOG_LINES.get(process.name, 5)))
                )
    return report


@pytest.fixture(scope="session")
def parts() -> Parts:
    try:
        return ensure()
    except BuildError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def keeper() -> Iterator[Keeper]:
    with Keeper() as keeper:
        yield keeper


@pytest.fixture(scope="session")
def e2e_directory(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Logs, keys and etcd's data; kept where a test failed."""
    directory = Path(tempfile.mkdtemp(prefix="velero-chatops-e2e-"))
    yield directory
    if not request.session.testsfailed:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest.fixture(scope="session")
async def annex(e2e_directory: Path, keeper: Keeper) -> AsyncIterator[Annex | NotPermitted]:
    """The second network, or why there is none."""
    try:
        opened = await open_annex(e2e_directory, keeper)
    except NotPermitted as refusal:
        yield refusal
        return
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def object_store(
    parts: Parts,
    keeper: Keeper,
    e2e_directory: Path,
    http: aiohttp.ClientSession,
    annex: Annex | NotPermitted,
) -> AsyncIterator[ObjectStore]:
    """Where both clusters can reach it, and nobody beyond this machine."""
    address = annex.address if isinstance(annex, Annex) else "127.0.0.1"
    (port,) = free_ports(address, 1)
    store = await start_store(parts.s3_python, e2e_directory, keeper, http, address, port)
    yield store
    await store.process.kill()


@pytest.fixture(scope="session")
async def cluster(
    request: pytest.FixtureRequest,
    parts: Parts,
    keeper: Keeper,
    e2e_directory: Path,
    http: aiohttp.ClientSession,
    object_store: ObjectStore,
) -> AsyncIterator[RealCluster]:
    started = await start_cluster("one", parts, e2e_directory / "one", keeper, http, object_store)
    request.config.stash[CLUSTERS].append(started)
    yield started
    await started.close()


@pytest.fixture(scope="session")
async def second_cluster(
    request: pytest.FixtureRequest,
    parts: Parts,
    keeper: Keeper,
    e2e_directory: Path,
    http: aiohttp.ClientSession,
    object_store: ObjectStore,
    annex: Annex | NotPermitted,
) -> AsyncIterator[RealCluster]:
    """Shares the bucket, and may only read from it."""
    if isinstance(annex, NotPermitted):
        words = f"no network namespace for a second Velero: {annex}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    started = await start_cluster(
        "two", parts, e2e_directory / "two", keeper, http, object_store, annex, access="ReadOnly"
    )
    request.config.stash[CLUSTERS].append(started)
    yield started
    await started.close()
