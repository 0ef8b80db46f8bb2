"""The inbox takes commands from elsewhere than Slack; nothing downstream differs."""

from commands.conduct import Asked
from domain.actor import Actor, ActorKind, Origin, Way


class Pipeline:
    """A desk of another kind: it knows who asks by itself."""

    def __init__(self, conductor):
        self._conductor = conductor

    async def see_through(self, item):
        actor = Actor(ActorKind.PIPELINE, item.payload["sender"], item.payload["sender"], groups=frozenset({"on-call"}))
        origin = Origin(Way.WEBHOOK, item.payload["channel"])
        await self._conductor.conduct(Asked(item.key, item.payload["line"], actor, origin, channel_cluster="prod"))
        return "done"


async def test_a_command_that_did_not_come_from_slack(house):
    house.bot.worker._desks["pipeline"] = Pipeline(house.bot.conductor)
    asked = {
        "sender": "deploy",
        "line": "backup create b1 --include-namespaces shop",
        "channel": house.world.channel("ops"),
    }
    for _ in range(2):
        await house.bot.intake.take("pipeline:42", "pipeline", asked)
    await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    assert len(house.prod.all("backups")) == 1
    rows = await house.store.read(lambda tx: tx.audit.latest(10))
    assert {row.entry.actor for row in rows} >= {"deploy"}
