"""Texts from a cluster are untrusted: no mention, formatting or hidden character gets through, and no flood."""

import json

import pytest

from sandbox.slack.words import words

HOSTILE = {
    "a mention of everybody": "boom <!channel> <!here> <@U000000003> <!subteam^S000000001>",
    "a link": "see <https://evil.example.com|the runbook>",
    "backticks": "``` *bold* _it_ ~no~ `code` ```",
    "right to left": "abc\u202egnp.exe\u202c \u2066x\u2069 \u200fz",
    "control signs": "a\u0000b\u0007c\u001b[31md\u007f",
    "entities": "&lt;!channel&gt; &amp;",
    "zero width": "a\u200bb\ufeffc",
}


def everything(house):
    texts = [m.text for m in house.slack.workspace.channel("#ops").messages.values() if m.by_bot]
    for channel in ("#ops", "#incidents"):
        for message in house.messages(channel):
            if message.by_bot:
                texts += [message.text, *words(message.blocks)]
    for message in house.slack.workspace.ephemerals:
        texts += [message.text, *words(message.blocks)]
    return "\n".join(texts)


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_error_of_a_backup(house, name):
    reason = HOSTILE[name]
    house.prod.velero.script("b1", outcome="fails", reason=reason)
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.sees("#incidents", "Backup b1 Failed")
    await (await house.grace.says("/velero backup describe b1")).reply("b1: Failed")
    await (await house.grace.says("/velero backup logs b1")).reply("b1")
    await house.quiet()
    said = everything(house)
    own = said.replace("<!here>", "", said.count(" <!here>")).replace(f"<@{house.grace.id}>", "")
    for sign in (
        "<!channel>",
        "<@U000000003>",
        "<!subteam",
        "<https://evil",
        "\u202e",
        "\u2066",
        "\u200f",
        "\u0000",
        "\u001b",
    ):
        assert sign not in own
    assert said.count("<!here>") == len([m for m in house.messages("#incidents") if "<!here>" in m.full_text])


async def test_a_hundred_kilobytes_of_errors(house):
    house.prod.velero.script("b1", outcome="fails", reason="x" * 100_000)
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    news = await house.sees("#incidents", "Backup b1 Failed")
    assert len(news.text) < 300
    assert len(news.full_text) < 4000
    reply = await (await house.grace.says("/velero backup describe b1")).reply("b1: Failed")
    assert len(json.dumps(reply.blocks)) < 20_000
    await house.quiet()
    assert not [notice for notice in await house.notices() if notice.state == "dead"]


async def test_hostile_labels_and_annotations_in_a_list(house):
    house.prod.objects.create(
        "backups",
        "velero",
        {
            "metadata": {
                "name": "b1",
                "annotations": {"velero-chatops.io/requested-by": "<!channel> ```\u202e"},
                "labels": {"velero-chatops.io/operation": "op-notours"},
            },
            "spec": {"includedNamespaces": ["shop"], "storageLocation": "default"},
        },
    )
    await house.ended("backups", "b1")
    await house.quiet()
    reply = await (await house.grace.says("/velero backup get")).reply("1 backup")
    said = reply.full_text
    assert "<!channel>" not in said
    assert "\u202e" not in said


async def test_a_location_that_is_away_says_why_harmlessly(house):
    house.prod.objects.patch(
        "backupstoragelocations",
        "velero",
        "default",
        {"status": {"phase": "Unavailable", "message": "<!channel> ``` \u202e"}},
    )
    await house.sees("#incidents", "Storage location default is Unavailable")
    await house.quiet()
    assert "<!channel>" not in everything(house)


async def test_what_people_type_comes_back_as_text(house):
    answer = await house.grace.says("/velero backup describe <!channel> ```x```", raw=True)
    await answer.reply("❌")
    assert "<!channel>" not in everything(house)


async def test_an_error_shows_names_as_code_and_formats_nothing_else(house):
    answer = await house.grace.says("/velero backup create *B1* --include-namespaces shop")
    reply = await answer.reply("isn't a valid Kubernetes name")
    assert "`*B1*` isn't a valid Kubernetes name" in reply.full_text
    answer = await house.grace.says("/velero backup create 'x` *now* `y' --include-namespaces shop")
    reply = await answer.reply("isn't a valid Kubernetes name")
    assert "*now*" not in "\n".join(words([each for each in reply.blocks if "```" not in json.dumps(each)]))


async def test_a_reason_is_shown_as_it_was_typed_and_formats_nothing(house):
    line = "backup create b1 --include-namespaces shop --reason 'before &lt;!here&gt; *release* ```'"
    await house.grace.says(f"/velero {line}", raw=True)
    card = await house.sees("#ops", "backup create b1", "Completed")
    assert "<!here>" not in card.full_text
