"""The inbox accepts commands from sources other than Slack; later processing is the same."""

from domain.actor import Actor, ActorKind, Origin, Way
from domain.errors import Refused
from operations.request import CommandRequest

RULE = """
[[rules]]
name = "deployments-back-up-the-shop"
who = { pipelines = ["deploy"] }
what = ["backup.create"]
namespaces = ["shop"]
effect = "allow"
"""


class PipelineProcessor:
    """A processor for another source: it knows the sender by itself."""

    def __init__(self, pipeline):
        self._pipeline = pipeline

    async def process(self, item):
        actor = Actor(ActorKind.PIPELINE, item.payload["sender"], item.payload["sender"])
        origin = Origin(Way.WEBHOOK, item.payload["channel"])
        try:
            await self._pipeline.run(
                CommandRequest(item.key, item.payload["line"], actor, origin, channel_cluster="prod")
            )
        except Refused:
            return "refused"
        return "done"


async def asked_twice(house):
    house.bot.worker._processors["pipeline"] = PipelineProcessor(house.bot.pipeline)
    line = "backup create b1 --include-namespaces shop"
    asked = {"sender": "deploy", "line": line, "channel": house.world.channel("ops")}
    for _ in range(2):
        await house.bot.intake.accept("pipeline:42", "pipeline", asked)


async def test_a_command_that_did_not_come_from_slack_runs_once(build):
    house = await build(rules=RULE)
    await house.start()
    await asked_twice(house)
    await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    assert len(house.prod.all("backups")) == 1
    rows = await house.store.read(lambda tx: tx.audit.latest(10))
    assert {row.entry.actor for row in rows} >= {"deploy"}


async def test_one_that_no_rule_names_is_refused(house):
    await asked_twice(house)
    await house.quiet()
    assert house.prod.all("backups") == []
