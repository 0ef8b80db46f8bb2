"""A write that was never sent is told apart from one whose answer is missing."""

from datetime import UTC, datetime

import pytest

from domain.errors import Rejected, Throttled, Unanswered, Unreachable
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.cutting import Cut, CuttingProxy
from sandbox.kubernetes.faults import Trouble
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from velero.api import Api
from velero.connection import Direct

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MAPS = "/api/v1/namespaces/shop/configmaps"
WRITES = {
    "POST": (MAPS, {"metadata": {"name": "new"}}),
    "PATCH": (f"{MAPS}/old", {"data": {"a": "2"}}),
    "DELETE": (f"{MAPS}/old", {"kind": "DeleteOptions", "apiVersion": "v1"}),
}
CUTS = [Cut(0, 0), Cut(0, 40), Cut(0, 0, answer=True), Cut(0, 100, answer=True)]


@pytest.fixture
async def emulator():
    numbers = iter(range(1000))
    objects = Objects(now=lambda: NOW, new_id=lambda: f"uid-{next(numbers)}")
    objects.create("namespaces", None, {"metadata": {"name": "shop"}})
    objects.create("configmaps", "shop", {"metadata": {"name": "old"}})
    emulator = KubernetesEmulator(objects, {"t": admin()})
    await emulator.start()
    yield emulator
    await emulator.close()


@pytest.fixture
async def proxy(emulator):
    proxy = CuttingProxy(emulator.url)
    await proxy.start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def api(proxy):
    api = Api("prod", Direct(proxy.url, "t"), connect_timeout=0.5)
    yield api
    await api.close()


async def send(api, method):
    path, body = WRITES[method]
    await api.request(method, path, body=body)


def certain(fault):
    return not isinstance(fault.value, Unanswered)


@pytest.mark.parametrize("method", WRITES)
async def test_a_refused_connection_sends_nothing(proxy, api, method):
    await proxy.close()
    with pytest.raises(Unreachable) as fault:
        await send(api, method)
    assert certain(fault)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid", "https://127.0.0.1:{port}"])
@pytest.mark.parametrize("method", WRITES)
async def test_without_a_name_or_tls_nothing_is_sent(proxy, url, method):
    port = proxy.url.rpartition(":")[2]
    other = Api("prod", Direct(url.format(port=port), "t"), connect_timeout=0.5)
    with pytest.raises(Unreachable) as fault:
        await send(other, method)
    await other.close()
    assert certain(fault)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_connection_that_breaks_leaves_it_unanswered(proxy, api, method, cut):
    proxy.arm(cut)
    with pytest.raises(Unanswered, match="hasn't confirmed the request"):
        await send(api, method)


async def test_a_delete_that_the_client_sends_twice_is_unanswered(emulator, proxy, api):
    """The first one was carried out; the second connection is refused, and says nothing of the first."""
    await api.request("GET", MAPS)
    proxy.arm(Cut(0, 0, answer=True, down=True))
    with pytest.raises(Unanswered):
        await send(api, "DELETE")
    assert emulator.objects.find("configmaps", "shop", "old") is None


@pytest.mark.parametrize("trouble", [Trouble.BAD_GATEWAY, Trouble.BROKEN])
@pytest.mark.parametrize("method", WRITES)
async def test_a_reply_of_a_proxy_leaves_a_write_unanswered(emulator, api, method, trouble):
    emulator.faults.on(trouble)
    with pytest.raises(Unanswered):
        await send(api, method)


@pytest.mark.parametrize("trouble", [Trouble.BAD_GATEWAY, Trouble.BROKEN, Trouble.RESET])
async def test_a_read_is_only_unreachable(emulator, api, trouble):
    emulator.faults.on(trouble)
    with pytest.raises(Unreachable) as fault:
        await api.request("GET", MAPS)
    assert certain(fault)


async def test_a_refusal_is_certain(emulator, api):
    emulator.faults.on(Trouble.THROTTLED, times=1)
    with pytest.raises(Throttled):
        await send(api, "POST")
    with pytest.raises(Rejected):
        await api.request("POST", MAPS, body={"metadata": {"name": "Not A Name"}})
