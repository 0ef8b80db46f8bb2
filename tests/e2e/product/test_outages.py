"""The bot during outages of Velero, the API server and the object store."""

from tests.e2e.cluster import NAMESPACES, namespace
from tests.e2e.product.shop import RealHouse


async def test_a_failure_is_notified_with_its_reason(house: RealHouse) -> None:
    """The namespace is deleted while Velero is down."""
    await house.api.apply(namespace("fading"))
    await house.cluster.velero.kill()
    await house.grace.says("/velero backup create half --include-namespaces fading")
    await house.api.wait("backups", "half", lambda _: True)
    await house.api.delete(NAMESPACES, "fading")
    await house.api.wait_gone(NAMESPACES, "fading", within=60)
    await house.cluster.velero.start()
    news = await house.sees("#incidents", "Backup half PartiallyFailed", "fail to get the namespace", deadline=90)
    assert "<!here>" in news.full_text
    await house.sees("#ops", "backup create half", "PartiallyFailed")


async def test_the_bot_continues_after_a_kill_of_the_api_server(house: RealHouse) -> None:
    await house.cluster.apiserver.kill()
    await house.cluster.apiserver.start()
    await house.grace.says("/velero backup create after-the-kill --include-namespaces shop")
    await house.sees("#ops", "backup create after-the-kill", "Completed", deadline=120)


async def test_an_unavailable_location_and_its_recovery_are_notified(house: RealHouse) -> None:
    url = house.cluster.store.url
    await house.api.patch("backupstoragelocations", "default", {"spec": {"config": {"s3Url": "http://127.0.0.1:9"}}})
    await house.sees("#incidents", "default", "connection refused", deadline=60)
    await house.api.patch("backupstoragelocations", "default", {"spec": {"config": {"s3Url": url}}})
    await house.api.wait_phase("backupstoragelocations", "default", "Available")
    await house.sees("#incidents", "default", "Available again", deadline=60)
