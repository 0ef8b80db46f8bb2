"""One person by any of their names: in the audit log, and as the requester of backups and restores."""

import pytest

RULES = """
[[rules]]
name = "all"
who = "anyone"
what = ["*"]
effect = "allow"
"""


@pytest.fixture
async def house(build):
    house = await build(rules=RULES)
    await house.start()
    return house


async def test_everything_of_hers_is_found_by_any_name(house):
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.ended("backups", "b1")
    await house.ada.says("/velero backup create b2 --include-namespaces shop")
    await house.ended("backups", "b2")
    mine = house.grace.id
    for who in ("grace", "Grace", "GRACE", "@grace", "grace@example.com", mine, f"<@{mine}|grace>"):
        record = await (await house.grace.says(f"/velero audit --limit 1 --by {who}", raw=True)).reply("Audit log:")
        assert ("1 entry" in record.text, "b1" in record.full_text, "b2" in record.full_text) == (True, True, False), (
            who
        )
        listed = await (await house.grace.says(f"/velero backup get --created-by {who}", raw=True)).reply("CREATED BY")
        assert ("b1" in listed.full_text, "b2" in listed.full_text) == (True, False), who


async def test_an_unknown_person_finds_nothing(house):
    await house.backed_up("b1")
    assert "No matching entries" in (await (await house.grace.says("/velero audit --by nobody")).reply()).full_text
