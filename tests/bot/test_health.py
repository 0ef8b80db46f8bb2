"""Health of the bot itself: each problem is reported with its start, reason and fix."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from bot.configuration.misconfiguration import find_misconfiguration
from bot.configuration.settings import Settings
from bot.health import SelfHealth
from bot.retry_items import retry_actions
from bot.supervise import Loops
from domain.errors import NotFound, StoreFull
from store.tables.failed_items import ItemKind, Subject
from store.tables.inbox import Accepted
from store.writer import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = {"name": "pager", "kind": "webhook", "url": "https://pager.example.com/"}


@pytest.fixture(autouse=True)
def tokens(monkeypatch):
    monkeypatch.setenv("VELERO_CHATOPS_SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("VELERO_CHATOPS_SLACK_SIGNING_SECRET", "shh")


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, reserve_bytes=0)
    yield opened
    await opened.close()


@pytest.fixture
async def loops():
    made = Loops(lambda: NOW)
    yield made
    await made.stop()


async def until_failing(loop) -> None:
    async with asyncio.timeout(5):
        while loop.failing_since is None:
            await asyncio.sleep(0)


def health(store, loops, **settings):
    return SelfHealth(store, loops, lambda: Settings.model_validate(settings), lambda: NOW)


@pytest.mark.parametrize(("name", "ready"), [("send", False), ("tell", False), ("work", False), ("sweep", True)])
async def test_a_loop_that_fails_is_named_and_those_that_everything_needs_are_not_ready(store, loops, name, ready):
    async def full():
        raise StoreFull("No space left on the database volume.")

    await until_failing(loops.start(name, full))
    looked = health(store, loops)
    blocking, degraded = looked.summary()
    words = "since 2026-11-21T12:00:00Z: StoreFull: No space left on the database volume."
    assert (blocking if not ready else degraded) == {f"loop {name}": words}
    (problem,) = await looked.fresh()
    assert (problem.part, problem.since, problem.blocks) == (f"loop {name}", NOW, not ready)


async def test_an_exception_group_names_its_members(store, loops):
    async def group():
        raise ExceptionGroup("clusters", [KeyError("a"), KeyError("a"), ValueError("b")])

    await until_failing(loops.start("look", group))
    (problem,) = health(store, loops).problems()
    assert problem.text == "clusters: KeyError: 'a'; ValueError: b"


async def test_a_loop_that_goes_again_is_no_problem_any_more(store, loops):
    faults, went = [KeyError("once")], asyncio.Event()

    async def once():
        if faults:
            raise faults.pop()
        went.set()
        return

    loop = loops.start("send", once)
    await until_failing(loop)
    loop.wake()
    await went.wait()
    await asyncio.sleep(0)
    assert health(store, loops).summary() == ({}, {})


async def test_failed_items_are_listed_without_the_text_of_their_error(store, loops):
    subject = Subject(ItemKind.EVENT, "e1", "event backup.failed")
    await store.write(lambda tx: tx.failed_items.add(subject, KeyError("secret-namespace"), NOW))
    (problem,) = await health(store, loops).fresh()
    assert problem.text == "event backup.failed: KeyError (1 failure, next retry at 12:00:10 UTC)"
    assert "items retry 1" in problem.fix


async def test_a_receiver_that_said_410_is_listed(store, loops):
    await store.write(lambda tx: tx.receivers.disable("webhook", "pager", "the receiver returned 410 Gone", NOW))
    (problem,) = await health(store, loops).fresh()
    assert (problem.part, problem.text) == ("receiver pager", "disabled: the receiver returned 410 Gone")


async def test_a_misconfiguration_is_in_readyz_and_in_the_log_once_with_its_reason(store, loops, caplog):
    looked = health(store, loops, routes=[HOOK])
    caplog.set_level(logging.INFO, "bot.health")
    await looked.round()
    await looked.round()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("route pager: nothing is sent: the secret isn't set")
    assert "nothing is sent" in looked.summary()[1]["route pager"]


def parts(**settings):
    return [(each.part, each.text) for each in find_misconfiguration(Settings.model_validate(settings))]


def test_what_is_as_it_should_be_says_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("VELERO_CHATOPS_WEBHOOK_SECRET_PAGER", SECRET)
    monkeypatch.setenv("VELERO_CHATOPS_SENDER_SECRET_CI", SECRET)
    (tmp_path / "token").write_text("t")
    cluster = {"name": "prod", "url": "https://api.example.com", "token_file": tmp_path / "token"}
    assert parts(routes=[HOOK], senders=[{"name": "ci"}], clusters=[cluster]) == []


@pytest.mark.parametrize(
    ("settings", "part", "words"),
    [
        ({"routes": [HOOK]}, "route pager", "the secret isn't set"),
        ({"routes": [{**HOOK, "secret_file": "/none"}]}, "route pager", "can't be read: No such file"),
        ({"senders": [{"name": "ci"}]}, "sender ci", "the bot refuses its requests"),
        ({"senders": [{"name": "ci", "secret_file": "/none"}]}, "sender ci", "can't be read: No such file"),
        ({"audit": {"key_file": "/none"}}, "audit", "key_file /none can't be read"),
        ({"slack": {"transport": "socket"}}, "slack", "the app token isn't set"),
        ({"slack": {"bot_token_file": "/none"}}, "", ""),
        ({"clusters": [{"name": "a", "kubeconfig": "/none"}]}, "cluster a", "kubeconfig /none can't be read"),
        ({"clusters": [{"name": "a", "url": "https://x.example.com"}]}, "cluster a", "url is set without token_file"),
        (
            {"clusters": [{"name": "a", "url": "https://x.example.com", "token_file": "/none"}]},
            "cluster a",
            "token_file /none can't be read",
        ),
        (
            {
                "clusters": [{"name": "a", "in_cluster": True}],
                "routes": [{"name": "r", "channels": ["C1"], "match": {"clusters": ["prod-*"]}}],
            },
            "route r",
            "match.clusters prod-* matches no cluster",
        ),
    ],
)
def test_what_keeps_a_part_from_working_is_found_with_its_reason(settings, part, words):
    found = parts(**settings)
    assert [each[0] for each in found] == ([part] if part else [])
    assert all(words in text for _, text in found)


def test_an_empty_file_is_found_too(tmp_path):
    (tmp_path / "token").touch()
    cluster = {"name": "a", "url": "https://x.example.com", "token_file": tmp_path / "token"}
    ((part, text),) = parts(clusters=[cluster])
    assert (part, text.endswith("isn't set or is empty")) == ("cluster a", True)


class Retrying:
    def __init__(self, store):
        self.store, self.rung, self.looked = store, [], []
        self.act = retry_actions(store, lambda: NOW, self.rung.append, self.looked.append)["items.retry"]

    async def aside(self, kind, key):
        subject = Subject(kind, key, f"a {kind}")
        return (await self.store.write(lambda tx: tx.failed_items.add(subject, KeyError(), NOW))).id


@pytest.mark.parametrize(
    ("kind", "rung", "looked"),
    [
        (ItemKind.EVENT, ["tell"], []),
        (ItemKind.TIMER, ["steps"], []),
        (ItemKind.OPERATION, ["steps"], []),
        (ItemKind.SCHEDULE, ["keep schedules"], []),
        (ItemKind.REQUEST, ["hooks"], []),
        (ItemKind.OBJECT, [], ["prod/Backup/u1"]),
    ],
)
async def test_what_is_retried_is_due_at_once_and_its_loop_is_woken(store, kind, rung, looked):
    retrying = Retrying(store)
    ident = await retrying.aside(kind, "prod/Backup/u1")
    told = await retrying.act({"id": str(ident)})
    assert "is being retried" in told["text"]
    assert (retrying.rung, retrying.looked) == (rung, looked)
    assert [one.key for one in await store.read(lambda tx: tx.failed_items.due(kind, NOW))] == ["prod/Backup/u1"]
    (row,) = await store.read(lambda tx: tx.audit.latest(1))
    assert row.entry.action == "item.retry"


async def test_a_command_that_is_retried_waits_in_the_inbox_again(store):
    retrying = Retrying(store)
    found = await store.write(lambda tx: tx.inbox.accept("k", "command", {"line": "help"}, "", NOW))
    assert isinstance(found, Accepted)
    await store.write(lambda tx: (tx.inbox.next(), tx.inbox.finish(found.seq, "failed", NOW, keep=True)))
    ident = await retrying.aside(ItemKind.COMMAND, str(found.seq))
    await retrying.act({"id": str(ident)})
    assert retrying.rung == ["work"]
    assert await store.read(lambda tx: (tx.inbox.count(), tx.failed_items.all())) == (1, ())


@pytest.mark.parametrize("ident", ["99", "x", ""])
async def test_a_missing_item_is_reported(store, ident):
    retrying = Retrying(store)
    await retrying.aside(ItemKind.EVENT, "e1")
    with pytest.raises(NotFound) as caught:
        await retrying.act({"id": ident})
    assert caught.value.nearest == ("1",)


async def test_what_has_been_done_meanwhile_is_forgotten(store):
    retrying = Retrying(store)
    for kind in ItemKind:
        await retrying.aside(kind, "1")
    assert await store.write(lambda tx: tx.failed_items.forget_settled()) == 5
    kept = await store.read(lambda tx: tx.failed_items.all())
    assert {one.kind for one in kept} == {ItemKind.OBJECT, ItemKind.SCHEDULE}
    assert {one.retry_at for one in kept} == {NOW + timedelta(seconds=10)}
