"""The demo's story: a backup with progress, a failure with its reason, a refusal, and a restore that is approved.

Each step says what it waits for. A step that isn't seen in time is reported and the story fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from domain.counting import counted
from sandbox.slack.journal import NotSeen
from sandbox.slack.person import Person
from sandbox.slack.records import Message
from sandbox.world import World

Condition = Callable[[], object]


@dataclass(slots=True)
class Narrator:
    """Prints each step as it happens and counts the steps that were not seen."""

    world: World
    missed: int = 0

    def line(self, who: str, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {who:>10}  {text}", flush=True)

    async def says(self, who: str, line: str, channel: str = "#ops") -> None:
        self.line(who, line)
        person: Person = self.world.slack.person(who)
        await person.says(line, in_=channel)

    async def clicks(self, who: str, button: str, word: str) -> None:
        """Clicks on the newest message in #approvals that contains the word."""
        requests = [message for message in self.messages("#approvals") if word in message.full_text]
        if not requests:
            return
        self.line(who, f"clicks {button}")
        await self.world.slack.person(who).clicks(button, on=requests[-1])

    async def sees(self, what: str, condition: Condition, within: float = 40.0) -> None:
        try:
            await self.world.slack.eventually(condition, within)
        except NotSeen:
            self.missed += 1
            self.line("MISSED", what)
        else:
            self.line("seen", what)

    def messages(self, channel: str) -> list[Message]:
        return self.world.slack.workspace.messages(channel)

    def shows(self, channel: str, *words: str) -> Condition:
        return lambda: any(all(word in message.full_text for word in words) for message in self.messages(channel))


async def wait_until_ready(request_url: str) -> None:
    """Return once every part of the bot is ready."""
    url = request_url.replace("/slack/events", "/readyz")
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)
    raise SystemExit("The bot isn't ready after 20 seconds.")


async def play(world: World) -> bool:
    """Return whether every step was seen."""
    narrator = Narrator(world)
    await first_act(narrator)
    await second_act(narrator)
    narrator.line("", f"{counted(narrator.missed, 'step')} failed" if narrator.missed else "all steps passed")
    return not narrator.missed


async def first_act(narrator: Narrator) -> None:
    prod = narrator.world.prod
    prod.velero.script("demo-good", items=120, seconds=6)
    await narrator.says("grace", "/velero backup create demo-good --include-namespaces shop --ttl 30d")
    await narrator.sees("the status message shows progress", narrator.shows("#ops", "demo-good", "InProgress", " of "))
    await narrator.sees(
        "the status message says Completed", narrator.shows("#ops", "Backup demo-good in prod: Completed in")
    )
    prod.velero.script("demo-bad", outcome="partial", reason="timed out waiting for the condition")
    await narrator.says("grace", "/velero backup create demo-bad --include-namespaces shop")
    await narrator.sees(
        "the status message says PartiallyFailed", narrator.shows("#ops", "Backup demo-bad in prod: PartiallyFailed")
    )
    await narrator.sees(
        "the failure notification reaches #incidents with the reason",
        narrator.shows("#incidents", "demo-bad", "timed out"),
    )
    await narrator.says("ada", "/velero backup create demo-all")
    await narrator.sees(
        "ada doesn't have permission and sees whom to ask",
        lambda: narrator.world.slack.person("ada").was_told("on-call"),
    )


async def second_act(narrator: Narrator) -> None:
    """A restore needs someone else's approval: grace requests it and can't approve it, bob can."""
    prod = narrator.world.prod
    prod.objects.delete("configmaps", "shop", "settings-1")
    narrator.line("", "someone deletes ConfigMap settings-1 in namespace shop")
    await narrator.says(
        "grace", '/velero restore create demo-again --from-backup demo-good --reason "settings-1 is gone"'
    )
    await narrator.sees(
        "the approval request appears in #approvals", narrator.shows("#approvals", "demo-again", "demo-good")
    )
    await narrator.clicks("grace", "Approve", "demo-again")
    await narrator.sees(
        "grace can't approve her own request", lambda: narrator.world.slack.person("grace").was_told("someone else")
    )
    await narrator.sees("nothing has been restored yet", lambda: not prod.all("restores"))
    await narrator.clicks("bob", "Approve", "demo-again")
    await narrator.sees(
        "the status message says Completed", narrator.shows("#ops", "Restore demo-again in prod: Completed in")
    )
    await narrator.sees(
        "ConfigMap settings-1 is restored", lambda: prod.objects.find("configmaps", "shop", "settings-1")
    )
