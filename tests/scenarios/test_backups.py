"""The main job: from a signed slash command to Velero, and back to the channel."""

import gzip

from bot.app import App
from bot.configuration.settings_file import read
from sandbox.kubernetes.faults import Trouble
from sandbox.slack.words import words
from tests.scenarios.product import phase

CREATE = "/velero backup create b1 --include-namespaces shop"


async def test_a_backup_runs_and_its_card_says_so(house):
    await house.grace.says(CREATE)
    card = await house.sees("#ops", "backup create b1", "Completed")
    spec = house.prod.get("backups", "b1")["spec"]
    assert spec["includedNamespaces"] == ["shop"]
    assert spec["storageLocation"] == "default"
    for word in ("Completed", "prod", "velero backup create b1", "View details", "View logs", "Delete backup…"):
        assert word in card.full_text
    assert "Completed" in card.text


async def test_the_requester_is_mentioned_in_the_thread(house):
    await house.grace.says(CREATE)
    reply = await house.sees("#ops", "Backup b1 Completed", f"<@{house.grace.id}>")
    card = house.card("backup create b1")
    assert reply.thread_ts == card.ts
    await house.quiet()
    assert house.told("#incidents") == []
    assert len(house.thread(card)) == 1


async def test_the_card_shows_progress_on_its_way(house):
    house.prod.velero.script("b1", items=40, seconds=2)
    await house.grace.says(CREATE)
    await house.sees("#ops", "backup create b1", "InProgress", "of 40 items")
    await house.sees("#ops", "backup create b1", "Completed", "(40 items)")


async def test_a_failure_also_reaches_the_incident_channel_with_its_reason(house):
    house.prod.velero.script("b1", outcome="partial", reason="timed out waiting for the condition", seconds=1)
    await house.grace.says(CREATE)
    await house.sees("#ops", "backup create b1", "InProgress")
    news = await house.sees("#incidents", "Backup b1 PartiallyFailed", "timed out waiting for the condition")
    assert "<!here>" in news.full_text
    assert "No earlier Completed backup exists" in news.full_text
    await house.sees("#ops", "backup create b1", "PartiallyFailed")
    await house.sees("#ops", "Backup b1 PartiallyFailed", f"<@{house.grace.id}>")
    assert "View thread" in "\n".join(words(news.blocks))


async def test_a_failure_names_the_last_good_one(house):
    await house.grace.says("/velero backup create good --include-namespaces shop")
    await house.sees("#ops", "backup create good", "Completed")
    house.prod.velero.script("b1", outcome="fails", reason="boom")
    await house.grace.says(CREATE)
    await house.sees("#incidents", "Backup b1 Failed", "Last Completed backup: good")


async def test_the_first_success_after_a_failure_says_recovered(house):
    house.prod.velero.script("b1", outcome="fails")
    await house.grace.says(CREATE)
    await house.sees("#incidents", "Backup b1 Failed")
    await house.grace.says("/velero backup create b2 --include-namespaces shop")
    await house.sees("#incidents", "Backup b2 Completed, after earlier failures")


async def test_an_unknown_location_is_refused_with_the_ones_there_are(house):
    answer = await house.grace.says(f"{CREATE} --storage-location nowhere")
    assert "default" in (await answer.reply("nowhere")).full_text
    assert house.prod.get("backups", "b1") is None


async def test_a_backup_that_fails_validation_shows_veleros_text(house):
    house.backup("b1", storageLocation="nowhere")
    await house.sees("#incidents", "Backup b1 FailedValidation", "nowhere")


async def test_describe_shows_the_outcome_and_uploads_the_rest_as_a_file(house):
    await house.backed_up("b1")
    await house.quiet()
    answer = await house.grace.says("/velero backup describe b1")
    await answer.reply("b1: Completed")
    await house.eventually(lambda: [f for f in house.slack.workspace.files.values() if f.completed])
    (file,) = house.slack.workspace.files.values()
    assert b"b1" in file.content


async def test_logs_come_as_a_file_into_a_channel_whose_scope_covers_them(house):
    await house.backed_up("b1")
    await house.grace.says("/velero backup logs b1 --cluster prod", in_="#shop-team")
    file = await a_file(house)
    assert [channel for channel, _ in file.shares] == [house.world.channel("shop-team")]


async def test_logs_of_more_than_a_channels_scope_go_to_the_person_alone(house):
    await house.backed_up("b1", includedNamespaces=["shop", "billing"])
    await house.grace.says("/velero backup logs b1 --cluster prod", in_="#shop-team")
    file = await a_file(house)
    assert [channel for channel, _ in file.shares] == [house.slack.workspace.direct(house.grace.id).id]


async def test_of_a_long_log_the_end_is_given_and_errors_are_counted_in_all_of_it(house):
    await house.backed_up("b1")
    await house.quiet()
    lines = [
        f'time="2026-12-01T01:00:00Z" level=info msg="item {n * 7919 % 100_003}" name=pod-{n}' for n in range(80_000)
    ]
    lines[5] = 'time="2026-12-01T01:00:00Z" level=error msg="disk full"'
    bucket = house.world.buckets.find("prod-backups")
    [key] = [key for key in bucket.keys() if key.endswith("/b1-logs.gz")]  # noqa: SIM118 - a bucket is no mapping
    bucket.put(key, gzip.compress("\n".join(lines).encode(), 1))
    answer = await house.grace.says("/velero backup logs b1")
    reply = await answer.reply("Logs of b1: 80000 lines, 1 error (last 4 MiB)")
    assert "disk full" in reply.full_text
    first, *rest = (await a_file(house)).content.decode().splitlines()
    assert first.startswith("[The first ")
    assert rest == lines[-len(rest) :]
    assert 4_100_000 < len("\n".join(rest)) <= 4 << 20


async def a_file(house):
    def shared():
        return [f for f in house.slack.workspace.files.values() if f.shares]

    return (await house.eventually(shared))[0]


async def test_a_channel_that_means_no_cluster_asks_which(house):
    await house.backed_up("b1")
    answer = await house.grace.says("/velero backup logs b1", in_="#shop-team")
    assert "prod, staging" in (await answer.reply("Which cluster?")).full_text


async def test_a_backup_that_is_still_running_has_no_log_yet(house):
    house.prod.velero.script("b1", outcome="hangs")
    house.backup("b1")
    await house.in_phase("backups", "b1", "InProgress")
    answer = await house.grace.says("/velero backup logs b1")
    await answer.reply("No logs for b1 (InProgress).")


async def test_delete_by_button_needs_the_typed_name(house):
    await house.grace.says(CREATE)
    card = await house.sees("#ops", "backup create b1", "Completed")
    await house.grace.clicks("Delete backup…", on=card)
    wrong = await house.grace.submits(values={"word": "b2"})
    assert wrong.body["response_action"] == "errors"
    assert house.prod.all("deletebackuprequests") == []
    await house.grace.submits(values={"word": "b1"})
    await house.eventually(lambda: house.prod.get("backups", "b1") is None)
    await house.sees("#ops", "Backup b1 and its data were deleted")


async def test_delete_by_command_shows_a_card_that_ends(house):
    await house.backed_up("b1")
    await house.quiet()
    await house.grace.says("/velero backup delete b1")
    await house.eventually(lambda: house.prod.get("backups", "b1") is None)
    await house.sees("#ops", "backup delete b1")


async def test_a_refusal_names_the_rule_and_whom_to_ask(house):
    answer = await house.ada.says("/velero backup create all")
    reply = await answer.reply("Ask on-call")
    assert reply.ephemeral_for == house.ada.id
    assert house.prod.all("backups") == []


async def test_what_ada_may_she_may(house):
    await house.ada.says(CREATE)
    await house.sees("#ops", "backup create b1", "Completed")


async def test_retry_takes_a_fresh_name_and_only_once(house):
    house.prod.velero.script("b1", outcome="fails", times=1)
    await house.grace.says(CREATE)
    card = await house.sees("#ops", "backup create b1", "Failed")
    await house.eventually(lambda: "Retry backup" in "\n".join(words(house.card("backup create b1").blocks)))
    await house.grace.clicks("Retry backup", on=card)
    await house.eventually(lambda: len(house.prod.all("backups")) == 2)
    again = next(b for b in house.prod.all("backups") if b["metadata"]["name"] != "b1")
    assert again["metadata"]["name"].startswith("b1-r")
    await house.sees("#ops", f"backup create {again['metadata']['name']}", "Completed")
    second = await house.grace.clicks("Retry backup", on=card)
    await second.reply(f"Backup `{again['metadata']['name']}` already exists.")
    assert len(house.prod.all("backups")) == 2


async def test_whoami_says_as_whom_one_is_known_and_what_follows(house):
    answer = await house.ada.says("/velero whoami")
    reply = await answer.reply("You are Ada.")
    for word in ("developers", "developers-back-up-their-shop", "prod"):
        assert word in reply.full_text


async def test_status_speaks_of_every_cluster(house):
    await house.backed_up("b1")
    answer = await house.grace.says("/velero status")
    reply = await answer.reply("prod")
    assert "staging" in reply.full_text
    assert "v1.18.2" in reply.full_text


async def test_help_works_after_every_word(house):
    assert "backup create" in (await (await house.ada.says("/velero help")).reply("Commands")).full_text
    assert (
        "--include-namespaces" in (await (await house.ada.says("/velero backup create ?")).reply("Back up")).full_text
    )
    assert "not in Slack" in (await (await house.ada.says("/velero backup")).reply("backup delete")).full_text


async def test_the_bare_command_is_a_menu_of_buttons(house):
    answer = await house.grace.says("/velero")
    await answer.reply("What do you want to do?")
    pressed = await house.grace.clicks("Status", on=answer)
    await pressed.reply("prod")


async def test_an_alias_begins_with_its_noun(house):
    await house.grace.says("/backup create b1 --include-namespaces shop")
    await house.sees("#ops", "backup create b1", "Completed")


async def test_a_mention_is_a_command_and_the_card_hangs_in_its_thread(house):
    said = await house.grace.mentions("@velero backup create b1 --include-namespaces shop")
    card = await house.sees("#ops", "backup create b1", "Completed")
    assert card.thread_ts == said.message.ts


async def test_in_a_cards_thread_the_name_is_known(house):
    await house.grace.says(CREATE)
    card = await house.sees("#ops", "backup create b1", "Completed")
    await (await house.grace.mentions("@velero logs", thread=card)).reply("Logs of b1")
    await (await house.grace.mentions("@velero describe", thread=card)).reply("b1: Completed")
    await (await house.grace.mentions("@velero backup get", thread=card)).reply("1 backup")


async def test_the_channel_chooses_the_cluster_and_the_flag_another(house):
    await house.grace.says(CREATE, in_="#staging")
    await house.sees("#staging", "backup create b1", "Completed", "staging")
    assert house.prod.get("backups", "b1") is None
    await house.grace.says(f"{CREATE} --cluster prod", in_="#staging")
    await house.sees("#staging", "backup create b1", "Completed", "prod")
    assert house.prod.get("backups", "b1") is not None


async def test_a_dry_run_shows_the_plan_and_writes_nothing(house):
    answer = await house.grace.says(f"{CREATE} --dry-run")
    reply = await answer.reply("Nothing was changed")
    assert "on-call-runs-backups-and-schedules" in reply.full_text
    answer = await house.grace.says(f"{CREATE} -o yaml")
    await answer.reply("kind: Backup")
    assert house.prod.all("backups") == []


async def test_an_answer_that_was_lost_is_no_second_backup(house):
    house.prod.api.faults.on(Trouble.LOST_ANSWER, times=1, which=lambda r: r.method == "POST" and "backups" in r.path)
    await house.grace.says("/velero backup create --from-schedule nightly")
    await house.grace.says(CREATE)
    await house.sees("#ops", "backup create b1", "Completed")
    assert [b["metadata"]["name"] for b in house.prod.all("backups")] == ["b1"]


async def test_volumes_without_data_are_named_in_a_success(house):
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeName": "pv-data",
        },
    }
    house.prod.objects.create("persistentvolumeclaims", "shop", claim)
    volume = {
        "metadata": {"name": "pv-data"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "nfs": {"server": "nfs.example.com", "path": "/x"},
            "claimRef": {"namespace": "shop", "name": "data"},
        },
    }
    house.prod.objects.create("persistentvolumes", None, volume)
    await house.grace.says(f"{CREATE} --snapshot-volumes=false")
    await house.sees("#ops", "Backup b1 Completed", "has no data in this backup")


async def test_readiness_says_which_part_is_not_ready(build):
    house = await build()
    house.slack.faults.refuse("invalid_auth", "auth.test", times=1)
    house.bot = App(*read(house.settings), house.settings)
    await house.bot.start()
    await house.until(lambda: "invalid_auth" in house.bot.readiness().parts["slack"])
    async with house.bot.session.get(f"http://127.0.0.1:{house.bot.status_port}/readyz") as answer:
        assert answer.status == 503
        assert "invalid_auth" in (await answer.json())["parts"]["slack"]
    async with house.bot.session.get(f"{house.url}/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "")
    async with house.bot.session.get(f"{house.url}/healthz") as answer:
        assert answer.status == 200
    assert phase(house.prod.get("backupstoragelocations", "default")) == "Available"


async def test_a_file_in_a_channel_says_what_it_is_and_for_whom(house):
    await house.backed_up("b1")
    await house.grace.says("/velero backup logs b1")
    await house.eventually(lambda: [m for m in house.messages("#ops") if m.files])
    (message,) = [m for m in house.messages("#ops") if m.files]
    assert message.text.startswith("Logs of b1 · ")
    assert "for Grace" in message.text


async def test_disabled_files_are_mentioned(house):
    house.settings.write_text(
        house.settings.read_text("utf-8").replace("[slack]\n", "[slack]\nfiles = false\n"), "utf-8"
    )
    await house.restart()
    await house.backed_up("b1")
    answer = await house.grace.says("/velero backup logs b1")
    assert "Not shown: b1.log. File uploads are turned off" in (await answer.reply("Logs of b1")).full_text
    await house.quiet()
    assert not house.slack.workspace.files
