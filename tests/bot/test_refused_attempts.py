"""Refused attempts: one row per person, verb and minute, however many there are."""

from datetime import UTC, datetime

from bot.refused_attempts import MAX_KEYS, RefusedAttempts

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_thousand_attempts_are_one_row():
    attempts = RefusedAttempts()
    for number in range(1000):
        attempts.add("U1", f"backup create b{number} --include-namespaces billing")
    attempts.add("U1", "restore create --from-backup b1", way="form")
    attempts.add("U2", "create b1", lead="backup")
    rows = [(row.actor, row.action, row.outcome, dict(row.detail)) for row in attempts.drain(NOW)]
    assert rows == [
        ("U1", "backup.create", "refused", {"attempts": 1000, "way": ""}),
        ("U1", "restore.create", "refused", {"attempts": 1, "way": "form"}),
        ("U2", "backup.create", "refused", {"attempts": 1, "way": ""}),
    ]
    assert list(attempts.drain(NOW)) == []


def test_what_they_wrote_is_not_in_it_and_their_number_is_bounded():
    attempts = RefusedAttempts()
    for number in range(2 * MAX_KEYS):
        attempts.add(f"U{number}", "rm -rf 'no verb of ours")
    rows = list(attempts.drain(NOW))
    assert len(rows) == MAX_KEYS + 1
    assert {row.action for row in rows} == {"-"}
    assert next(row for row in rows if row.actor == "others").detail["attempts"] == MAX_KEYS


async def test_everybody_who_is_refused_is_in_the_record(house):
    house.slack.workspace.change_user("bob", is_restricted=True)
    for _ in range(3):
        await (await house.bob.says("/velero backup create b1 --include-namespaces shop")).reply(
            "Guests can't run commands."
        )
        await (await house.ada.says("/velero backup delete b1")).reply("❌")
    await house.quiet()
    await house.bot._housekeeping.run_minute_tasks()
    rows = await house.store.read(lambda tx: tx.audit.latest(50))
    told = {(row.entry.actor, row.entry.action): row.entry.detail.get("attempts") for row in rows}
    assert told[house.bob.user.id, "backup.create"] == 3
