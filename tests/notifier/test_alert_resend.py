"""Alerts are said again while they last: an Alertmanager that was started anew hears of them within a minute."""

import json
from datetime import timedelta

import pytest

from domain.event import Severity
from notifier.deliver.alert_resend import ALERTS_PER_CALL
from tests.notifier.conftest import START, event
from tests.notifier.test_alertmanager import Alertmanager, of_schedule

RECOVERED = of_schedule("backup.completed", "nightly-2", 5, Severity.RECOVERY)


def heard(server, since: int = 0) -> Alertmanager:
    manager = Alertmanager()
    for call in server.calls[since:]:
        manager.take(json.loads(call.body))
    return manager


async def minute_passes(world) -> None:
    world.now += timedelta(minutes=1)
    await world.delivery.repeats.round()
    await world.delivers()


async def test_one_that_starts_anew_hears_of_it(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(of_schedule())
    await world.delivers()
    before = len(server.calls)
    await minute_passes(world)
    assert heard(server, before).firing(world.now) == ["VeleroBackupFailed"]
    assert heard(server).held.keys() == heard(server, before).held.keys()


async def test_what_is_over_is_not_said_again(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(of_schedule(), RECOVERED)
    await world.delivers()
    before = len(server.calls)
    await minute_passes(world)
    assert len(server.calls) == before


async def test_an_end_that_could_not_be_told_is_an_end(world):
    server = await world.server("pager", "alertmanager", answers=[200, 503])
    await world.happens(of_schedule())
    await world.delivers()
    await world.happens(RECOVERED)
    await world.delivers()
    await world.later(hours=25)
    server.answers = [200]
    before = len(server.calls)
    await minute_passes(world)
    assert len(server.calls) == before


async def test_nothing_is_said_again_while_an_end_is_on_its_way(world):
    """It may have arrived although no answer came."""
    server = await world.server("pager", "alertmanager", answers=[200, 503, 503, 503])
    await world.happens(of_schedule())
    await world.delivers()
    await world.happens(RECOVERED)
    await world.delivers()
    await world.delivery.repeats.round()
    await world.delivers()
    assert [json.loads(call.body)[0].get("startsAt") is None for call in server.calls] == [False, True]


async def test_after_a_crash_an_end_goes_first(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(of_schedule())
    await world.delivers()
    await world.happens(RECOVERED)
    await world.store.write(lambda tx: tx.notices.claim(world.now, kind="alertmanager"))
    await world.store.write(lambda tx: tx.connection.execute("UPDATE notice SET epoch = 0") and tx.notices.recover())
    await world.delivery.repeats.round()
    await world.delivers()
    assert heard(server).firing(world.now + timedelta(minutes=10)) == []


async def test_it_is_said_again_after_a_restart_of_the_bot(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(of_schedule())
    await world.delivers()
    before = len(server.calls)
    await world.restarts()
    await minute_passes(world)
    assert heard(server, before).firing(world.now) == ["VeleroBackupFailed"]


async def test_a_second_failure_is_the_same_alert_and_lasts_longer(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(of_schedule(), of_schedule(name="nightly-2", minutes=60))
    await world.delivers()
    before = len(server.calls)
    await minute_passes(world)
    ((_, (_, ends)),) = heard(server, before).held.items()
    assert ends == START + timedelta(minutes=60, days=7)


async def test_after_its_end_it_is_forgotten(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(event("restore.failed", "r1"))
    await world.delivers()
    world.now += timedelta(hours=24)
    before = len(server.calls)
    await minute_passes(world)
    assert len(server.calls) == before
    assert await world.store.read(lambda tx: tx.alerts.addresses()) == frozenset()


async def test_one_that_does_not_answer_is_told_a_minute_later(world):
    server = await world.server("pager", "alertmanager", answers=[200, 503, 200])
    await world.happens(of_schedule())
    await world.delivers()
    await minute_passes(world)
    await minute_passes(world)
    assert len(server.calls) == 3


@pytest.mark.parametrize("leaves", ["settings", "disabled"])
async def test_who_hears_nothing_any_more_is_not_told_old_alerts_later(world, leaves):
    server = await world.server("pager", "alertmanager")
    await world.happens(of_schedule())
    await world.delivers()
    before, receivers = len(server.calls), dict(world.receivers)
    if leaves == "settings":
        world.receivers.clear()
    else:
        await world.store.write(lambda tx: tx.receivers.disable("alertmanager", "pager", "410", world.now))
    await minute_passes(world)
    world.receivers.update(receivers)
    await world.store.write(lambda tx: tx.receivers.enable("alertmanager", "pager"))
    await minute_passes(world)
    assert len(server.calls) == before


async def test_many_are_told_in_calls_of_a_bearable_size(world):
    server = await world.server("pager", "alertmanager")
    for some in (range(ALERTS_PER_CALL), range(ALERTS_PER_CALL, ALERTS_PER_CALL + 1)):
        await world.happens(*(event("restore.failed", f"r{number}") for number in some))
    await world.delivers()
    before = len(server.calls)
    await minute_passes(world)
    assert [len(json.loads(call.body)) for call in server.calls[before:]] == [ALERTS_PER_CALL, 1]
