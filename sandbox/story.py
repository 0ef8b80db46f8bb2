"""The demo's story: a backup that succeeds with progress, one that fails with its reason, one that is refused.

Each step says what it waits for; a step that is not seen in time is told as such and the story fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from sandbox.slack.journal import NotSeen
from sandbox.slack.person import Person
from sandbox.slack.records import Message
from sandbox.world import World

Seen = Callable[[], object]


@dataclass(slots=True)
class Telling:
    """Prints what happens as it happens, and keeps count of what was not seen."""

    world: World
    missed: int = 0

    def line(self, who: str, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {who:>10}  {text}", flush=True)

    async def says(self, who: str, line: str, channel: str = "#ops") -> None:
        self.line(who, line)
        person: Person = self.world.slack.person(who)
        await person.says(line, in_=channel)

    async def clicks(self, who: str, button: str, word: str) -> None:
        """On the newest message of the approvers' channel that has the word."""
        asked = [message for message in self.messages("#approvals") if word in message.text]
        if not asked:
            return
        self.line(who, f"clicks {button}")
        await self.world.slack.person(who).clicks(button, on=asked[-1])

    async def sees(self, what: str, condition: Seen, within: float = 40.0) -> None:
        try:
            await self.world.slack.eventually(condition, within)
        except NotSeen:
            self.missed += 1
            self.line("MISSED", what)
        else:
            self.line("seen", what)

    def messages(self, channel: str) -> list[Message]:
        return self.world.slack.workspace.messages(channel)

    def shows(self, channel: str, *words: str) -> Seen:
        return lambda: any(all(word in message.text for word in words) for message in self.messages(channel))


async def ready(request_url: str) -> None:
    """Until the bot says that every part of it is ready."""
    url = request_url.replace("/slack/events", "/readyz")
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)
    raise SystemExit("The bot isn't ready after 20 seconds.")


async def play(world: World) -> bool:
    """Whether every step was seen."""
    told = Telling(world)
    await first_act(told)
    await second_act(told)
    told.line("", "every step was seen" if not told.missed else f"{told.missed} steps were not seen")
    return not told.missed


async def first_act(told: Telling) -> None:
    prod = told.world.prod
    prod.velero.script("demo-good", items=120, seconds=6)
    await told.says("grace", "/velero backup create demo-good --include-namespaces shop --ttl 30d")
    await told.sees("the status message shows progress", told.shows("#ops", "demo-good", "InProgress", " of "))
    await told.sees("the status message says Completed", told.shows("#ops", "backup create demo-good", "Completed"))
    prod.velero.script("demo-bad", outcome="partial", reason="timed out waiting for the condition")
    await told.says("grace", "/velero backup create demo-bad --include-namespaces shop")
    await told.sees(
        "the status message says PartiallyFailed", told.shows("#ops", "backup create demo-bad", "PartiallyFailed")
    )
    await told.sees(
        "the failure notification reaches #incidents with the reason", told.shows("#incidents", "demo-bad", "timed out")
    )
    await told.says("ada", "/velero backup create demo-all")
    await told.sees(
        "ada doesn't have permission and sees whom to ask",
        lambda: told.world.slack.person("ada").was_told("Ask on-call"),
    )


async def second_act(told: Telling) -> None:
    """Restores need two pairs of eyes: grace asks, cannot approve herself, bob does."""
    prod = told.world.prod
    prod.objects.delete("configmaps", "shop", "settings-1")
    told.line("", "someone deletes ConfigMap settings-1 in namespace shop")
    await told.says("grace", '/velero restore create demo-again --from-backup demo-good --reason "settings-1 is gone"')
    await told.sees("the approval request appears in #approvals", told.shows("#approvals", "demo-again", "demo-good"))
    await told.clicks("grace", "Approve", "demo-again")
    await told.sees(
        "grace can't approve her own request", lambda: told.world.slack.person("grace").was_told("someone else")
    )
    await told.sees("nothing has been restored yet", lambda: not prod.all("restores"))
    await told.clicks("bob", "Approve", "demo-again")
    await told.sees("the status message says Completed", told.shows("#ops", "restore create demo-again", "Completed"))
    await told.sees("ConfigMap settings-1 is restored", lambda: prod.objects.find("configmaps", "shop", "settings-1"))
