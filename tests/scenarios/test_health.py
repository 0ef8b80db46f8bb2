"""One failing item delays no other, and `status`, `doctor`, /readyz and the terminal report it."""

import asyncio

from click.testing import CliRunner

from bot.cli import cli
from tests.scenarios.product import BRISK

HOOK = """
[[routes]]
name = "pager"
kind = "webhook"
url = "https://pager.example.com/"
"""
LIMITS = """
[limits]
commands_per_minute = 5
"""


async def degraded(house) -> dict[str, str]:
    async with house.bot.session.get(f"http://127.0.0.1:{house.bot.status_port}/readyz") as answer:
        return (await answer.json())["degraded"]


async def test_a_webhook_route_without_its_secret_is_named_everywhere(build):
    house = await build(extra=BRISK + HOOK)
    await house.start()
    await house.eventually(house.bot.health.problems)
    assert "the secret isn't set" in (await degraded(house))["route pager"]
    for line in ("/velero status", "/velero doctor"):
        reply = await (await house.grace.says(line)).reply("route pager", deadline=15)
        assert "the secret isn't set" in reply.full_text
    checked = CliRunner().invoke(cli, ["config", "check", "--strict", "--config", str(house.settings)])
    assert checked.exit_code == 1
    assert "route pager: nothing is sent: the secret isn't set" in checked.output


async def test_an_event_that_cannot_be_routed_is_listed_and_retried_from_the_terminal(build):
    house = await build()
    await house.start()
    spoil = (
        "CREATE TRIGGER spoil AFTER INSERT ON outbox BEGIN UPDATE outbox SET severity = 'later' WHERE id = NEW.id; END"
    )
    await house.store.write(lambda tx: tx.connection.execute(spoil))
    await house.backed_up("bad")
    while not await house.store.read(lambda tx: tx.failed_items.all()):
        await house.store.committed(house.store.commits)
    await house.store.write(lambda tx: tx.connection.execute("DROP TRIGGER spoil"))
    await house.backed_up("good")
    directory = str(house.bot.settings.data_dir)
    run = lambda *words: asyncio.to_thread(CliRunner().invoke, cli, ["items", *words, "--data-dir", directory])  # noqa: E731
    listed = await run("failed")
    assert "ValueError" in listed.output
    ident = listed.output.split()[0]
    mend = "UPDATE outbox SET severity = 'failure' WHERE severity = 'later'"
    await house.store.write(lambda tx: tx.connection.execute(mend))
    retried = await run("retry", ident)
    assert "is being retried" in retried.output
    audited = await house.store.read(lambda tx: tx.audit.latest(50))
    assert "item.retry" in [row.entry.action for row in audited]


async def test_one_persons_flood_is_answered_and_delays_no_one_else(build):
    house = await build(extra=BRISK + LIMITS)
    await house.start()
    answers = await asyncio.gather(*(house.grace.says(f"/velero backup describe b{number}") for number in range(30)))
    refused = [answer for answer in answers if answer.body]
    assert len(refused) == 25
    assert all(
        "You sent 5 commands within a minute. This one was not accepted;" in str(answer.body) for answer in refused
    )
    await (await house.ada.says("/velero help")).reply("Commands")
    assert house.bot.http_server.refused["person-rate"] == 25
