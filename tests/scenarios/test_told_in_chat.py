"""Errors as people read them in chat: what is wrong, and one corrected command to copy."""

from datetime import UTC, datetime, timedelta

import pytest

NIGHTLY = {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"]}}


@pytest.fixture
async def told(house):
    """What the person reads after a line."""
    await house.backed_up("nightly-1")
    ended = (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    house.prod.objects.patch("backups", "velero", "nightly-1", {"status": {"completionTimestamp": ended}})
    await house.quiet()
    house.prod.objects.create("schedules", "velero", {"metadata": {"name": "nightly"}, "spec": NIGHTLY})

    async def said(line: str) -> str:
        answer = await house.grace.says(f"/velero {line}")
        reply = await answer.reply()
        return reply.full_text.replace("&gt;", ">").replace("&amp;", "&").replace("```", "")

    return said


@pytest.mark.parametrize("line", ["restore create r1 --from-backup {}", "restore plan r1 --from-backup {}"])
async def test_a_backup_that_is_not_there_brings_the_names_that_are_near(told, line):
    said = await told(line.format("nightyl-1"))
    assert "Backup `nightyl-1` doesn't exist in prod." in said
    assert line.format("nightly-1") in said.splitlines()


@pytest.mark.parametrize("noun", ["backup", "restore"])
async def test_a_status_that_there_is_not_brings_velero_s_words(told, noun):
    said = await told(f"{noun} get --status Bogus")
    assert "Unknown phase `Bogus`." in said
    for phase in ("Completed", "FailedValidation", "PartiallyFailed", "WaitingForPluginOperationsPartiallyFailed"):
        assert phase in said
    near = await told(f"{noun} get --status partialyfailed")
    assert f"{noun} get --status PartiallyFailed" in near.splitlines()


@pytest.mark.parametrize("status", ["completed", "Complet*", "COMPLETED,Failed"])
async def test_a_status_in_any_case_and_patterns_of_it(told, status):
    assert "nightly-1" in await told(f"backup get --status '{status}'")


@pytest.mark.parametrize(
    ("line", "better"),
    [
        ("schedule pause nightly --until 2h", "schedule pause nightly --until +2h"),
        ("restore create r1 --before 2h --include-namespaces shop", "restore create r1 --before '2h ago' --include-namespaces shop"),
        ("schedule create x --schedule '0 0 1 * * *' --include-namespaces shop", "schedule create x --schedule '0 1 * * *' --include-namespaces shop"),
    ],
)  # fmt: skip
async def test_one_line_that_does_it_right_is_there_to_copy(told, line, better):
    said = await told(line)
    assert better in said.splitlines()
    assert said.count("Did you mean") <= 1


async def test_a_corrected_line_that_would_be_refused_is_not_offered(told):
    said = await told("restore create r1 --before 4h --include-namespaces shop")
    assert "Did you mean 4h ago?" in said
    assert "'4h ago'" not in said


async def test_the_better_line_works(told, house):
    said = await told("schedule pause nightly --until 2h")
    (better,) = [line for line in said.splitlines() if "+2h" in line and line.startswith("schedule")]
    await house.grace.says(f"/velero {better}")
    await house.sees("#ops", "Pause of schedule nightly", "done")


async def test_an_unknown_time_zone_shows_the_bots_and_veleros_error(told):
    said = await told("schedule create x --schedule 'CRON_TZ=UTC' --include-namespaces shop")
    assert "it has a time zone but no cron fields" in said
    assert "slice bounds out of range" in said.partition("Velero's message:")[2]


async def test_the_person_who_paused_it_is_named(told, house):
    await house.grace.says("/velero schedule pause nightly --reason 'db move'")
    await house.sees("#ops", "schedule pause nightly", "done")
    await house.quiet()
    for line in ("schedule get", "schedule describe nightly"):
        said = await told(line)
        assert "Paused by Grace" in said
        assert house.grace.id not in said
    assert "by Grace: db move" in await told("schedule describe nightly")
    assert "Asked by" not in str(house.told("#ops", house.grace.id, "Requested by U"))
