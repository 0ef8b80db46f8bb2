"""A watch cache that has forgotten, which a real server does only under load."""


async def expect_too_old(watch, since, floor):
    [line] = await watch.rest()
    assert watch.status == 200
    assert line == {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f"too old resource version: {since} ({floor})",
            "reason": "Expired",
            "code": 410,
        },
    }


async def test_a_watch_from_before_is_told_so_inside_a_200(api, objects):
    old = (await api.backup("a")).version
    await api.backup("b")
    objects.compact()
    async with api.watch(api.path("backups"), resourceVersion=old) as watch:
        await expect_too_old(watch, old, objects.revision)


async def test_a_watch_from_now_goes_on(api, objects):
    now = (await api.backup("a")).version
    objects.compact()
    await api.backup("b")
    async with api.watch(api.path("backups"), resourceVersion=now) as watch:
        assert await watch.story(1) == [("ADDED", "b")]
