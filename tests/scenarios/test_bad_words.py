"""Mistyped commands, or commands that a phone changed: a clear answer with near words, and no write."""

import pytest

WRITES = {"backups", "restores", "schedules", "deletebackuprequests", "backupstoragelocations"}


async def nothing_written(house):
    assert house.prod.all("backups") == []
    assert house.prod.all("deletebackuprequests") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bakcup create b1", ["`bakcup`", "backup create b1"]),
        ("backup craete b1", ["`craete`", "backup create b1"]),
        ("backup create b1 --include-namespace shop", ["--include-namespace", "--include-namespaces"]),
        ("backup create b1 --cluster prdo", ["`prdo`", "prod"]),
        ("backup create b1 --include-namespaces shop --storage-location defualt", ["`defualt`", "default"]),
        ("backup create b1 --include-namespaces shpo", ["shpo", "shop"]),
        ("backup create b1 --include-namespaces shop --ttl 3x", ["3x"]),
        ("backup create b1 --include-namespaces shop --ttl -5h", ["negative"]),
        ("backup create b1 --include-namespaces shop --ttl ''", ["--ttl"]),
        ("backup create b1 --include-namespaces shop --ttl 1e9h", ["1e9h"]),
        ("backup create b1 --include-namespaces shop --selector 'a in (b'", ["--selector"]),
        ("backup create b1 --include-namespaces shop --selector '=x'", ["--selector"]),
        ("backup create b1 --include-namespaces 'shop,,billing'", ["empty item"]),
        ("backup create b1 --include-namespaces 'shop, billing '", ["❌"]),
        ("backup create b1 --include-namespaces shop --labels velero.io/x=1", ["velero.io/"]),
        ("backup create b1 --include-namespaces shop --labels velero-chatops.io/operation=1", ["velero-chatops.io/"]),
        ("backup create b1 --include-namespaces shop --labels kots.io/x=1", ["kots.io/"]),
        ("backup create B1 --include-namespaces shop", ["B1"]),
        ("backup create b_1 --include-namespaces shop", ["b_1"]),
        ("backup create b1 b2 --include-namespaces shop", ["`b2`"]),
        ("backup create --include-namespaces shop", ["name"]),
        ("backup create b1 --include-namespaces shop -n other", ["--cluster"]),
        ("backup create b1 --include-namespaces shop --kubeconfig /etc/x", ["--kubeconfig"]),
        ("backup create b1 --include-namespaces 'shop", ["❌"]),
        ("backup create b1 --from-schedule nightyl", ["nightyl", "nightly"]),
        ("backup describe b-none", ["b-none"]),
        ("backup download b1", ["velero backup download"]),
        ("install", ["Helm"]),
        ("x" * 9000, ["❌"]),
    ],
)
async def test_the_error_is_explained_and_nothing_is_written(house, line, words):
    schedule = {"schedule": "0 1 * * *", "paused": True, "template": {}}
    house.prod.objects.create("schedules", "velero", {"metadata": {"name": "nightly"}, "spec": schedule})
    answer = await house.grace.says(f"/velero {line}")
    reply = await answer.reply("❌") if "download" not in line and line != "install" else await answer.reply()
    for word in words:
        assert word in reply.full_text.replace("&gt;", ">"), reply.full_text
    await house.quiet()
    await nothing_written(house)


@pytest.mark.parametrize("length", [64, 253, 254, 5000])
async def test_long_names(house, length):
    await (await house.grace.says(f"/velero backup create {'x' * length} --include-namespaces shop")).reply(
        "x" * 20 if length <= 253 else f"{length} characters"
    )
    await house.quiet()
    assert len(house.prod.all("backups")) == (1 if length <= 253 else 0)


@pytest.mark.parametrize(
    "line",
    [
        "backup create b1 —include-namespaces shop —ttl 30d",
        "backup create b1 --include-namespaces “shop” --ttl ‘30d’",
        "backup\u00a0create\u00a0b1\u00a0--include-namespaces\u00a0shop --ttl 30d",
        "velero backup create b1 --include-namespaces shop --ttl 720h",
        "/velero backup create b1 --include-namespaces=shop --ttl=720h0m0s",
        "create backup b1 --include-namespaces shop --ttl 30d",
        "backup create b1 --include-namespaces\n shop \t --ttl 30d",
        "backup create b1 --include-namespaces <http://shop|shop> --ttl 30d",
        "backup create b1\u200b --include-namespaces shop --ttl 30d",
    ],
)
async def test_text_changed_by_phones_and_slack_means_the_same(house, line):
    await house.grace.says(f"/velero {line}", raw=True)
    await house.sees("#ops", "backup create b1", "Completed")
    spec = house.prod.get("backups", "b1")["spec"]
    assert (spec["includedNamespaces"], spec["ttl"]) == (["shop"], "720h0m0s")


async def test_a_phone_types_it(house):
    await house.grace.says("/velero backup create b1 --include-namespaces shop --ttl 30d", phone=True)
    await house.sees("#ops", "backup create b1", "Completed")


async def test_users_and_channels_in_a_line_are_undone(house):
    answer = await house.grace.says("/velero backup get --created-by <@U000000004|grace>", raw=True)
    assert (await answer.reply()).full_text.count("❌") == 0


async def test_a_name_that_exists_is_refused_with_a_free_one(house):
    await house.backed_up("b1")
    answer = await house.grace.says("/velero backup create b1 --include-namespaces shop")
    assert "b1-2" in (await answer.reply("Backup `b1` already exists.")).full_text
    assert len(house.prod.all("backups")) == 1


async def test_the_wrong_part_is_underlined_and_one_corrected_line_offered(house):
    answer = await house.grace.says("/velero backup create b1 --include-namespace shop")
    lines = (await answer.reply("❌")).full_text.splitlines()
    assert "```backup create b1 --include-namespaces shop```" in lines
    assert any(set(line.strip(" `")) == {"^"} for line in lines)
