"""Lists, pages, revisions, selectors, discovery: the same on the emulator and on a real API server."""

import pytest


@pytest.fixture
async def sixty(api):
    for n in range(60):
        made = await api.backup(
            f"b{n:03}", metadata={"labels": {"n": str(n), "parity": "even" if n % 2 == 0 else "odd"}}
        )
    return made.version


async def pages(api, **query):
    """All pages of a list, following continue."""
    found = [await api.call("GET", api.path("backups"), **query)]
    while token := found[-1].json["metadata"].get("continue"):
        found.append(await api.call("GET", api.path("backups"), **{**query, "continue": token}))
    return found


async def test_a_list_is_in_order_of_names_and_says_its_kind(api):
    for name in ("b", "c", "a"):
        await api.backup(name)
    listed = await api.call("GET", api.path("backups"))
    assert listed.names == ["a", "b", "c"]
    assert (listed.json["kind"], listed.json["apiVersion"]) == ("BackupList", "velero.io/v1")


async def test_items_of_a_custom_list_carry_their_kind(api):
    await api.backup("a")
    [item] = (await api.call("GET", api.path("backups"))).json["items"]
    assert (item["kind"], item["apiVersion"]) == ("Backup", "velero.io/v1")


async def test_items_of_a_builtin_list_do_not(api):
    await api.call("POST", api.path("secrets", group=""), {"metadata": {"name": "s"}})
    listed = await api.call("GET", api.path("secrets", group=""), fieldSelector="metadata.name=s")
    assert listed.json["kind"] == "SecretList"
    assert not {"kind", "apiVersion"} & set(listed.json["items"][0])


async def test_pages_cover_everything_once_at_one_revision(api, sixty):
    found = await pages(api, limit="25")
    assert [len(p.names) for p in found] == [25, 25, 10]
    assert [n for p in found for n in p.names] == [f"b{n:03}" for n in range(60)]
    assert len({p.version for p in found}) == 1


async def test_a_page_says_how_many_remain(api, sixty):
    first = await api.call("GET", api.path("backups"), limit="10")
    assert first.json["metadata"]["remainingItemCount"] == 50


async def test_with_a_selector_it_does_not(api, sixty):
    first = await api.call("GET", api.path("backups"), limit="10", labelSelector="parity=even")
    assert first.json["metadata"]["continue"]
    assert "remainingItemCount" not in first.json["metadata"]


async def test_later_pages_do_not_see_what_happened_meanwhile(api, sixty):
    first = await api.call("GET", api.path("backups"), limit="30")
    await api.backup("b0305")
    await api.call("DELETE", api.path("backups", "b040"))
    rest = await api.call("GET", api.path("backups"), limit="500", **{"continue": first.json["metadata"]["continue"]})
    assert rest.names == [f"b{n:03}" for n in range(30, 60)]
    assert rest.version == first.version


async def test_revision_0_ignores_the_limit(api, sixty):
    await api.call("GET", api.path("backups"), resourceVersion=sixty, resourceVersionMatch="NotOlderThan")
    listed = await api.call("GET", api.path("backups"), limit="10", resourceVersion="0")
    assert len(listed.names) == 60
    assert not listed.json["metadata"].get("continue")


async def test_an_exact_revision_shows_the_past(api):
    then = (await api.backup("a")).version
    await api.backup("b")
    listed = await api.call("GET", api.path("backups"), resourceVersion=then, resourceVersionMatch="Exact")
    assert listed.names == ["a"]
    assert listed.version == then


async def test_not_older_than_shows_the_present(api):
    then = (await api.backup("a")).version
    await api.backup("b")
    listed = await api.call("GET", api.path("backups"), resourceVersion=then, resourceVersionMatch="NotOlderThan")
    assert listed.names == ["a", "b"]


async def test_a_list_from_the_future_times_out(api):
    answer = await api.call("GET", api.path("backups"), resourceVersion="99999999")
    code, reason, message = answer.refusal
    assert (code, reason) == (504, "Timeout")
    assert "Too large resource version: 99999999, current: " in message
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, '"exact" is forbidden for resourceVersion "0"'),
        ({"resourceVersionMatch": "Newest", "resourceVersion": "1"}, 'Unsupported value: "Newest"'),
        ({"sendInitialEvents": "true"}, "sendInitialEvents is forbidden for list"),
    ],
)
async def test_impossible_list_options(api, query, said):
    code, reason, message = (await api.call("GET", api.path("backups"), **query)).refusal
    assert (code, reason) == (422, "Invalid")
    assert said in message


async def test_a_continue_token_that_is_none(api):
    code, reason, message = (await api.call("GET", api.path("backups"), **{"continue": "nonsense"})).refusal
    assert (code, reason) == (400, "BadRequest")
    assert message.startswith("invalid continue token: continue key is not valid: ")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=shop", ["a", "b"]),
        ("app==shop,tier=db", ["b"]),
        ("app!=shop", ["c", "d"]),
        ("app in (shop, blog)", ["a", "b", "c"]),
        ("app notin (shop,blog)", ["d"]),
        ("tier", ["b"]),
        ("!app", ["d"]),
        ("app in (shop),!tier", ["a"]),
        ("size>5", ["c"]),
        ("size<5", ["a"]),
    ],
)
async def test_label_selectors(api, selector, names):
    labels = {
        "a": {"app": "shop", "size": "3"},
        "b": {"app": "shop", "tier": "db"},
        "c": {"app": "blog", "size": "7"},
        "d": {},
    }
    for name, has in labels.items():
        await api.backup(name, metadata={"labels": has})
    assert (await api.call("GET", api.path("backups"), labelSelector=selector)).names == names


async def test_a_label_selector_that_cannot_be_read(api):
    answer = await api.call("GET", api.path("backups"), labelSelector="app in")
    assert answer.refusal[:2] == (400, "BadRequest")
    assert "unable to parse requirement" in answer.refusal[2]


async def test_field_selectors_know_the_name(api):
    await api.backup("a")
    await api.backup("b")
    assert (await api.call("GET", api.path("backups"), fieldSelector="metadata.name=b")).names == ["b"]
    assert (await api.call("GET", api.path("backups"), fieldSelector="metadata.name!=b")).names == ["a"]


async def test_field_selectors_know_no_phase(api):
    answer = await api.call("GET", api.path("backups"), fieldSelector="status.phase=Completed")
    assert answer.refusal == (400, "BadRequest", "field label not supported: status.phase")


async def test_a_list_over_all_namespaces(api):
    other = f"{api.namespace}-other"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    await api.backup("here")
    there = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "there"}}
    await api.call("POST", api.path("backups", namespace=other), there)
    found = (await api.call("GET", "/apis/velero.io/v1/backups")).names
    assert {"here", "there"} <= set(found)
    assert (await api.call("GET", api.path("backups"))).names == ["here"]


async def test_get_of_what_is_not_there(api):
    answer = await api.call("GET", api.path("backups", "none"))
    assert answer.refusal == (404, "NotFound", 'backups.velero.io "none" not found')
    assert answer.json["details"] == {"name": "none", "group": "velero.io", "kind": "backups"}


@pytest.mark.parametrize("path", ["/apis/velero.io/v9/backups", "/apis/nobody.example/v1/things", "/nowhere"])
async def test_a_path_that_nobody_serves_is_plain_text(api, path):
    answer = await api.call("GET", path)
    assert (answer.status, answer.text) == (404, "404 page not found\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_a_namespaced_object_has_no_place_outside_a_namespace(api):
    answer = await api.call("GET", "/apis/velero.io/v1/backups/a")
    assert (answer.status, answer.text) == (404, "404 page not found\n")


async def test_discovery(api):
    groups = (await api.call("GET", "/apis")).json["groups"]
    assert "velero.io" in {g["name"] for g in groups}
    served = (await api.call("GET", "/apis/velero.io/v1")).json
    assert served["groupVersion"] == "velero.io/v1"
    by_name = {r["name"]: r for r in served["resources"]}
    assert by_name["backupstoragelocations"]["shortNames"] == ["bsl"]
    assert by_name["backups"]["kind"] == "Backup"
    assert "backups/status" not in by_name
    core = (await api.call("GET", "/api/v1")).json["resources"]
    assert {"namespaces", "configmaps", "secrets"} <= {r["name"] for r in core}
    assert "v1" in (await api.call("GET", "/api")).json["versions"]
    assert (await api.call("GET", "/version")).json["major"] == "1"
