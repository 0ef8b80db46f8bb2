"""Skip, pause, resume and edit against an emulated Velero: which runs happen is what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.errors import NotFound, UsageError
from tests.tracking.schedules.schedule_world import Yard


def at(hour: int, minute: int = 0, second: int = 0, day: int = 21) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


async def test_without_us_it_runs_every_hour(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["12:00", "13:00", "14:00"]


async def test_skip_omits_exactly_the_next_run(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule skip nightly")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["13:00", "14:00"]


async def test_two_people_who_skip_at_once_skip_once(yard: Yard) -> None:
    yard.schedule("nightly")
    first, second = await yard.granted("schedule skip nightly"), await yard.granted("schedule skip nightly")
    await yard.carry_out(first)
    await yard.carry_out(second)
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["13:00", "14:00"]


async def test_a_second_skip_has_nothing_to_do_and_says_so(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule skip nightly")
    plan = await yard.planned("schedule skip nightly")
    assert plan.steps == ()
    assert "already skips" in plan.summary


async def test_more_extends_a_skip(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule skip nightly")
    await yard.does("schedule skip nightly --more")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["14:00"]


async def test_unskip_takes_it_back_and_fires_nothing_at_once(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.pass_until(at(12, 30))
    await yard.does("schedule skip nightly --runs 5")
    await yard.pass_until(at(14, 30))
    await yard.does("schedule unskip nightly")
    await yard.pass_until(at(15, 30))
    assert yard.ran("nightly") == ["12:00", "15:00"]


async def test_a_pause_with_an_end_ends_though_we_are_gone(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule pause nightly --for 2h")
    assert yard.seen("nightly")["spec"].get("paused") is None
    await yard.pass_until(at(15, 30))
    assert yard.ran("nightly") == ["14:00", "15:00"]


async def test_a_pause_without_an_end_stays_and_resume_makes_up_for_nothing(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule pause nightly")
    await yard.pass_until(at(13, 30))
    await yard.does("schedule resume nightly")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["14:00"]


async def test_resume_with_run_missed_makes_up_for_one(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule pause nightly")
    await yard.pass_until(at(13, 30))
    await yard.does("schedule resume nightly --run-missed")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["13:30", "14:00"]


async def test_resume_ends_a_timed_pause_early(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule pause nightly --for 10h")
    await yard.pass_until(at(13, 30))
    await yard.does("schedule resume nightly")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["14:00"]


async def test_a_skip_outlives_pause_and_resume(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule skip nightly --runs 3")
    await yard.does("schedule pause nightly")
    await yard.does("schedule resume nightly")
    await yard.pass_until(at(15, 30))
    assert yard.ran("nightly") == ["15:00"]


async def test_a_resume_keeps_the_horizon_though_skip_immediately_stands(yard: Yard) -> None:
    """Where the CLI left skipImmediately behind, the server would set the horizon back to now."""
    yard.schedule("nightly")
    await yard.does("schedule skip nightly --runs 3")
    yard.patched("nightly", {"spec": {"paused": True, "skipImmediately": True}})
    await yard.does("schedule resume nightly")
    await yard.pass_until(at(15, 30))
    assert yard.ran("nightly") == ["15:00"]


async def test_an_edit_never_fires_a_run(yard: Yard) -> None:
    """By the new expression an occurrence since the creation has passed already."""
    yard.schedule("nightly", "0 1 * * *")
    await yard.pass_until(at(12, 30))
    await yard.does("schedule edit nightly --schedule '20 * * * *'")
    await yard.pass_until(at(13, 30))
    assert yard.ran("nightly") == ["13:20"]


async def test_a_resume_that_waited_past_a_run_starts_nothing_either(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule pause nightly")
    await yard.pass_until(at(13, 55))
    ident = await yard.granted("schedule resume nightly")
    await yard.pass_until(at(14, 5))
    await yard.carry_out(ident)
    await yard.pass_until(at(15, 30))
    assert yard.ran("nightly") == ["15:00"]


async def test_create_may_skip_its_first_runs(yard: Yard) -> None:
    await yard.does("schedule create nightly --schedule hourly --include-namespaces shop --skip 2")
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["14:00"]


async def test_a_run_on_demand_leaves_the_next_run_alone(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.does("schedule run nightly")
    await yard.pass_until(at(12, 30))
    assert yard.ran("nightly") == ["11:13", "12:00"]


async def test_backups_of_a_schedule_of_ours_are_not_taken_for_our_operation(yard: Yard) -> None:
    await yard.does("schedule create nightly --schedule hourly --include-namespaces shop")
    await yard.pass_until(at(12, 30))
    (backup,) = yard.objects.list("backups", "velero")
    assert "velero-chatops.io/operation" not in backup["metadata"]["labels"]
    assert "velero-chatops.io/requested-by" not in backup["metadata"].get("annotations", {})


async def test_delete_with_backups_asks_velero_to_delete_them(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.pass_until(at(13, 30))
    await yard.does("schedule delete nightly --with-backups")
    await yard.pass_(minutes=5)
    assert yard.objects.list("schedules", "velero") == []
    assert yard.objects.list("backups", "velero") == []


async def test_delete_alone_keeps_the_backups(yard: Yard) -> None:
    yard.schedule("nightly", useOwnerReferencesInBackup=True)
    await yard.pass_until(at(13, 30))
    await yard.does("schedule delete nightly")
    await yard.pass_(minutes=5)
    assert yard.objects.list("schedules", "velero") == []
    assert len(yard.objects.list("backups", "velero")) == 2


async def test_success_and_promise_are_stored_together(yard: Yard) -> None:
    yard.schedule("nightly")
    ident = await yard.does("schedule skip nightly --runs 2 --reason migration")
    operation = await yard.store.read(lambda tx: tx.operations.get(ident))
    intent = await yard.intent("nightly")
    assert operation is not None
    assert operation.state.value == "succeeded"
    assert intent is not None
    assert intent.horizon == at(13)
    assert intent.who == "U1"
    assert intent.skips == (at(12), at(13))


async def test_inside_the_margin_nothing_is_promised(yard: Yard) -> None:
    yard.schedule("nightly")
    await yard.pass_until(at(11, 59, 57))
    plan = await yard.planned("schedule skip nightly --runs 2")
    (guard,) = plan.guards
    assert guard.code == "inside-skip-margin"
    assert "Runs from Sat 2026-11-21 13:00 UTC are skipped for certain" in guard.text


async def test_a_name_that_is_not_there_is_told_the_nearest(yard: Yard) -> None:
    yard.schedule("nightly")
    (guard,) = (await yard.planned("schedule skip nighty")).guards
    assert (guard.code, guard.nearest) == ("unknown-schedule", ("nightly",))
    with pytest.raises(NotFound, match="Schedule `nighty` doesn't exist in prod"):
        await yard.planned("schedule edit nighty --ttl 1d")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("schedule pause nightly --until 2020-01-01", "is in the past"),
        ("schedule pause nightly --until yesterday", "is in the past"),
        ("schedule pause nightly --for 0s", "must be greater than zero"),
        ("schedule pause nightly --for 2h --until tomorrow", "can't be combined"),
        ("schedule skip nightly --runs 101", "must be from 1 to 100"),
        ("schedule skip nightly --runs 0", "must be from 1 to 100"),
        ("schedule resume nightly --run-missed --skip-missed", "can't be combined"),
        ("schedule pause nightly --all", "Use only one of"),
        ("schedule edit nightly --schedule ''", "empty"),
    ],
)
async def test_bad_input_is_told_in_words(yard: Yard, line: str, said: str) -> None:
    yard.schedule("nightly")
    with pytest.raises(UsageError, match=said):
        await yard.planned(line)


async def test_a_pause_that_skips_nothing_is_told(yard: Yard) -> None:
    yard.schedule("nightly", "0 1 * * *")
    plan = await yard.planned("schedule pause nightly --for 30m")
    assert [guard.code for guard in plan.guards] == ["pauses-nothing"]


async def test_velero_before_1_13_cannot_skip(yard: Yard) -> None:
    yard.view = yard.view.__class__("prod", server_version="v1.12.4")
    yard.schedule("nightly")
    for line in ("schedule skip nightly", "schedule pause nightly --for 2h"):
        assert [guard.code for guard in (await yard.planned(line)).refusals()] == ["velero-too-old"]
    assert (await yard.planned("schedule pause nightly")).refusals() == ()
