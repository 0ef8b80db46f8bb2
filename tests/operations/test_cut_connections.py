"""A connection may break at any byte of a write: the report afterwards matches the cluster.

`SOAK=1` cuts at every byte of every write of every verb, `SOAK=20` at every twentieth.
"""

import os

import pytest

from commands.grammar.verb import Effect
from commands.registry import VERBS
from domain.operation import State
from tests.operations.cut_connections import LINES, bench, cuts

STEP = int(os.environ.get("SOAK", "0"))
TAKEN = {State.SUBMITTED, State.SUCCEEDED}


def test_every_verb_that_writes_is_cut():
    assert set(LINES) == {verb.key for verb in VERBS if verb.effect is Effect.WRITE}


@pytest.mark.parametrize("verb", LINES)
async def test_the_report_matches_the_cluster(verb, tmp_path):
    async with bench(tmp_path) as desk:
        whole, _ = await desk.run(verb, None)
        assert whole.said in TAKEN
        writes = tuple(desk.proxy.writes)
        assert writes
        for number, write in enumerate(writes):
            for cut in cuts(write.request, write.answer, number, step=STEP):
                at_once, at_last = await desk.run(verb, cut)
                assert truthful(at_once, whole), (cut, at_once)
                assert "operation.failed" not in at_last.events, (cut, at_last)
                assert (at_last.said, at_last.changes) == (whole.said, whole.changes), cut


def truthful(told, whole):
    """A state that is certain says what is there; of the rest it is said that it is not known."""
    if told.said in TAKEN:
        return told.changes == whole.changes
    return told.said is State.UNCONFIRMED and told.events == ("operation.unconfirmed",)
