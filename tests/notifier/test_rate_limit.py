"""The buckets alone: Slack, however it counts, never sees more than its limit; nobody starves; approvals go first."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import NotAccepted
from notifier.deliver.rate_limit import (
    HISTORY,
    METHODS,
    POST,
    POSTS_PER_CHANNEL,
    RESERVED_SHARE,
    Priority,
    RateLimiter,
    TokenBucket,
)
from sandbox.slack.api.table import METHODS as SLACKS
from sandbox.slack.rates import RateLimits

START = datetime(2026, 11, 21, 12, tzinfo=UTC)

steps = st.lists(
    st.tuples(
        st.floats(0, 3),  # since the call before
        st.floats(0, 20),  # how long the call lasts
        st.floats(0, 1),  # when within it Slack counts it
        st.sampled_from(Priority),
    ),
    max_size=120,
)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@given(steps, st.integers(1, 12), st.floats(1, 60))
def test_no_window_ever_counts_more_than_the_bucket_holds(calls, size, period):
    bucket, now, under_way, counted = TokenBucket(size, period), START, [], []
    for gap, lasts, share, priority in calls:
        now += timedelta(seconds=gap)
        for end in sorted(each for each in under_way if each <= now):
            bucket.finish(end)
        under_way = [each for each in under_way if each > now]
        if not bucket.wait(now, priority):
            bucket.take()
            under_way.append(now + timedelta(seconds=lasts))
            counted.append(now + timedelta(seconds=lasts * share))
    counted.sort()
    # A microsecond is what the clock's arithmetic may lose.
    window = timedelta(seconds=period) - timedelta(microseconds=2)
    for first, beyond in zip(counted, counted[size:], strict=False):
        assert beyond - first >= window


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1.5)), max_size=150))
def test_a_slack_that_counts_honestly_is_never_asked_too_much(posts):
    clock = Clock()
    limiter, slack = RateLimiter(clock), RateLimits(clock)
    for channel, gap in posts:
        clock.later(gap)
        if token := limiter.take(POST, channel, Priority.APPROVAL):
            assert slack.retry_after(POST, SLACKS[POST].per_minute, channel) == 0
            limiter.done(token)


@given(st.integers(0, 400), st.sampled_from(Priority))
def test_a_channel_that_is_flooded_starves_no_other(flood, priority):
    clock = Clock()
    limiter = RateLimiter(clock)
    for _ in range(flood):
        if token := limiter.take(POST, "flooded", Priority.URGENT):
            limiter.done(token)
    assert limiter.take(POST, "quiet", priority) is not None


def test_our_figures_are_those_that_slack_keeps():
    ours = {name: limit.per_minute for name, limit in METHODS.items() if name in SLACKS}
    assert ours == {name: SLACKS[name].per_minute for name in ours}
    assert ours.keys() >= {"chat.update", "usergroups.list", HISTORY, "views.open", "files.completeUploadExternal"}


def taken(limiter: RateLimiter, method: str, channel: str, priority: Priority) -> int:
    """How many with the clock standing still."""
    count = 0
    while token := limiter.take(method, channel, priority):
        limiter.done(token)
        count += 1
    return count


@pytest.mark.parametrize("method", ["chat.update", POST, HISTORY])
def test_each_priority_leaves_its_share_to_those_above_it(method):
    clock = Clock()
    limiter = RateLimiter(clock)
    size = POSTS_PER_CHANNEL if method == POST else METHODS[method].per_minute
    left = size
    for priority in sorted(Priority, reverse=True):
        left -= taken(limiter, method, "c", priority)
        assert left <= -(-size * RESERVED_SHARE[priority] // 1)
    assert left == 0


def test_looking_spends_nothing():
    limiter = RateLimiter(Clock())
    assert {limiter.wait(POST, "c", Priority.NEW) for _ in range(1000)} == {0.0}
    assert taken(limiter, POST, "c", Priority.APPROVAL) == POSTS_PER_CHANNEL


def test_what_was_given_back_was_not_spent():
    limiter = RateLimiter(Clock())
    for _ in range(100):
        limiter.take(POST, "c").give_back()
    assert taken(limiter, POST, "c", Priority.APPROVAL) == POSTS_PER_CHANNEL


def test_a_token_counts_once_whatever_is_said_of_it_twice():
    limiter = RateLimiter(Clock())
    token = limiter.take(POST, "c", Priority.APPROVAL)
    limiter.done(token)
    limiter.done(token)
    token.give_back()
    assert taken(limiter, POST, "c", Priority.APPROVAL) == POSTS_PER_CHANNEL - 1


def test_a_429_closes_its_own_channel_or_method_and_nothing_else():
    clock = Clock()
    limiter = RateLimiter(clock)
    limiter.close(POST, "a", 30)
    limiter.close(HISTORY, "a", 60)
    assert limiter.wait(POST, "a", Priority.APPROVAL) == 30
    assert limiter.wait(HISTORY, "b", Priority.APPROVAL) == 60
    for method, channel in ((POST, "b"), ("chat.update", "a"), ("conversations.replies", "a")):
        assert limiter.wait(method, channel, Priority.PROGRESS) == 0
    clock.later(30)
    assert limiter.wait(POST, "a", Priority.APPROVAL) == 0


def test_a_shorter_wait_does_not_shorten_a_longer_one():
    limiter = RateLimiter(Clock())
    limiter.close(HISTORY, "", 60)
    limiter.close(HISTORY, "", 1)
    assert limiter.wait(HISTORY, "") == 60


async def test_who_waits_gets_a_token_when_one_comes_back():
    clock = Clock()
    limiter = RateLimiter(clock, sleep=clock.sleep)
    taken(limiter, POST, "c", Priority.APPROVAL)
    await limiter.token(POST, "c", Priority.APPROVAL)
    assert clock.now - START == timedelta(seconds=5)


async def test_and_is_refused_where_it_takes_too_long():
    clock = Clock()
    limiter = RateLimiter(clock, sleep=clock.sleep)
    limiter.close(HISTORY, "", 300)
    with pytest.raises(NotAccepted) as caught:
        await limiter.token(HISTORY, patience=10)
    assert caught.value.code == "ratelimited"
    assert caught.value.retry_after > 280


def test_channels_that_are_quiet_again_are_forgotten():
    clock = Clock()
    limiter = RateLimiter(clock, posts_per_minute=10_000)
    for number in range(3000):
        limiter.done(limiter.take(POST, f"c{number}"))
        clock.later(1)
    assert len(limiter._channels) <= 1000
