"""A complete environment: a Slack with people, clusters with a Velero each, an object store, and the bot's settings.

Tests run the bot in this process or in its own; the demo runs it in its own.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domain.json_types import Json
from sandbox.bucket import Buckets
from sandbox.clock import Clock, RealClock
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from sandbox.rights import bot_user
from sandbox.slack.emulator import SlackEmulator
from sandbox.velero.emulator import VeleroEmulator
from sandbox.velero.settings import VeleroSettings

VELERO = "velero"
QUICK = VeleroSettings(
    schedule_tick=1.0,
    sync_tick=2.0,
    sync_period=2.0,
    validation_tick=1.0,
    validation_period=2.0,
    garbage_collection_period=5.0,
    deletion_seconds=0.1,
    queue_period=5.0,
)
"""Settings of a server with short periods, for tests that wait for them."""


@dataclass(slots=True)
class Place:
    """One cluster: its API server, its Velero, and its tokens."""

    name: str
    objects: Objects
    api: KubernetesEmulator
    velero: VeleroEmulator
    token: str
    bucket: str

    @property
    def url(self) -> str:
        return self.api.url

    def get(self, resource: str, name: str) -> Json | None:
        return self.objects.find(resource, VELERO, name)

    def all(self, resource: str) -> list[Json]:
        return self.objects.list(resource, VELERO)


@dataclass(slots=True)
class World:
    directory: Path
    slack: SlackEmulator
    buckets: Buckets
    clock: Clock
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def prod(self) -> Place:
        return self.places["prod"]

    @property
    def staging(self) -> Place:
        return self.places["staging"]

    def channel(self, name: str) -> str:
        return self.slack.workspace.channel(name).id

    async def close(self) -> None:
        for place in self.places.values():
            await place.velero.stop()
            await place.api.close()
        await self.buckets.stop()
        await self.slack.stop()


PEOPLE = {"ada": "developer", "grace": "on-call", "bob": "approver"}
GROUPS = {"developers": ["ada"], "on-call": ["grace"], "approvers": ["bob"]}


async def build(
    directory: Path,
    *,
    clusters: Iterable[str] = ("prod", "staging"),
    velero: VeleroSettings | None = None,
    clock: Clock | None = None,
    slack_port: int = 0,
    seed: str = "",
) -> World:
    """Start everything except the bot."""
    clock = clock or RealClock()
    slack = SlackEmulator(
        signing_secret=seed or secrets.token_hex(16),
        bot_token=f"xoxb-{secrets.token_hex(12)}",
        app_token=f"xapp-{secrets.token_hex(12)}",
        team_id="T000000001",
        app_id="A000000001",
    )
    await slack.start(slack_port)
    people(slack)
    buckets = Buckets(clock)
    await buckets.start()
    world = World(directory, slack, buckets, clock)
    for name in clusters:
        world.places[name] = await _place(name, world, velero or VeleroSettings())
    return world


def people(slack: SlackEmulator) -> None:
    workspace = slack.workspace
    for name, role in PEOPLE.items():
        workspace.add_user(name, tz="Europe/Berlin" if role == "on-call" else "UTC")
    for handle, members in GROUPS.items():
        workspace.add_group(handle, members)
    everyone = list(PEOPLE)
    for channel in ("ops", "approvals", "incidents", "staging", "shop-team"):
        workspace.add_channel(channel, everyone)
    slack.home = "#ops"


async def _place(name: str, world: World, settings: VeleroSettings) -> Place:
    counter = iter(range(1, 10**9))
    objects = Objects(now=world.clock.now, new_id=lambda: f"{name}-{next(counter):08d}-{secrets.token_hex(4)}")
    token = secrets.token_hex(16)
    users = {token: bot_user(), f"admin-{token}": admin()}
    api = KubernetesEmulator(objects, users)
    await api.start()
    bucket = f"{name}-backups"
    world.buckets.create(bucket)
    emulator = VeleroEmulator(objects, world.buckets, world.clock, settings=settings)
    await emulator.start()
    location(objects, "default", bucket, default=True)
    return Place(name, objects, api, emulator, token, bucket)


def location(
    objects: Objects, name: str, bucket: str, *, default: bool = False, mode: str = "ReadWrite", prefix: str = ""
) -> None:
    storage = {"bucket": bucket, **({"prefix": prefix} if prefix else {})}
    objects.create(
        "backupstoragelocations",
        VELERO,
        {
            "metadata": {"name": name},
            "spec": {
                "provider": "aws",
                "objectStorage": storage,
                "accessMode": mode,
                "default": default,
                "config": {"region": "us-east-1", "s3ForcePathStyle": "true"},
            },
        },
    )


def application(
    objects: Objects, namespace: str, *, replicas: int = 3, labels: Mapping[str, str] | None = None
) -> None:
    """Create a small application: a deployment, its configuration, a PVC, a service, a secret."""
    objects.create("namespaces", None, {"metadata": {"name": namespace, "labels": dict(labels or {})}})
    for number in range(replicas):
        data = {"metadata": {"name": f"settings-{number}"}, "data": {"number": str(number)}}
        objects.create("configmaps", namespace, data)
    marks = {"app": namespace}
    containers = [{"name": "web", "image": "registry.example.com/web:1.0"}]
    template = {"metadata": {"labels": marks}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": marks}, "template": template}
    objects.create("deployments", namespace, {"metadata": {"name": "web", "labels": marks}, "spec": spec})
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    objects.create("services", namespace, {"metadata": {"name": "web"}, "spec": {"selector": marks, "ports": ports}})
    objects.create("secrets", namespace, {"metadata": {"name": "web"}, "data": {"password": "aHVudGVyMg=="}})


RULES = """
[[rules]]
name = "developers-back-up-their-shop"
who = { groups = ["developers"] }
what = ["backup.create"]
namespaces = ["shop", "shop-*"]
effect = "allow"

[[rules]]
name = "on-call-runs-backups-and-schedules"
who = { groups = ["on-call"] }
what = ["backup.*", "schedule.*", "backup-location.*", "snapshot-location.*"]
cluster_scoped = true
hooks = "any"
effect = "allow"

[[rules]]
name = "restores-need-an-approver"
who = { groups = ["on-call"] }
what = ["restore.create"]
namespaces = ["shop", "shop-*"]
modifiers = { most = "any", kinds = ["configmaps", "deployments.apps"], paths = ["/data", "/metadata/labels", "/spec/replicas"] }
effect = "approve"
quorum = 1
approvers = ["approvers"]

[[rules]]
name = "on-call-tidies-restores"
who = { groups = ["on-call"] }
what = ["restore.delete", "restore.get", "restore.describe", "restore.logs"]
effect = "allow"
"""


def settings(world: World, data_dir: Path, *, listen: str = "127.0.0.1:0", extra: str = "", rules: str = RULES) -> Path:
    """Write the settings and their secret files. Return the path of the TOML file."""
    secrets = world.directory / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    values = {
        "bot-token": world.slack.site.bot_token,
        "signing-secret": world.slack.signing_secret,
        "app-token": world.slack.site.app_token,
        **{f"{place.name}-token": place.token for place in world.places.values()},
    }
    for name, value in values.items():
        (secrets / name).write_text(value)
    lines = [
        f"data_dir = {json.dumps(str(data_dir))}",
        f"listen = {json.dumps(listen)}",
        "status_listen = '127.0.0.1:0'",
        *_slack_settings(world, secrets),
        *(line for place in world.places.values() for line in _cluster_settings(world, place, secrets)),
        *_channel_settings(world),
    ]
    path = world.directory / "settings.toml"
    path.write_text("\n".join(lines) + "\n" + extra + "\n" + rules)
    return path


def _slack_settings(world: World, secrets: Path) -> list[str]:
    return [
        "[slack]",
        f"api_url = {json.dumps(world.slack.api_url)}",
        f"bot_token_file = {json.dumps(str(secrets / 'bot-token'))}",
        f"signing_secret_file = {json.dumps(str(secrets / 'signing-secret'))}",
        f"app_token_file = {json.dumps(str(secrets / 'app-token'))}",
        'response_hosts = ["127.0.0.1", "localhost"]',
        f"posts_per_channel = {world.slack.rates.posts_per_channel}",
    ]


def _cluster_settings(world: World, place: Place, secrets: Path) -> list[str]:
    channel = world.channel("ops" if place.name == "prod" else "staging")
    return [
        "[[clusters]]",
        f"name = {json.dumps(place.name)}",
        f"url = {json.dumps(place.url)}",
        f"token_file = {json.dumps(str(secrets / f'{place.name}-token'))}",
        f"object_store_hosts = {json.dumps([world.buckets.url.removeprefix('http://')])}",
        f"channels = {json.dumps([channel])}",
    ]


def _channel_settings(world: World) -> list[str]:
    lines: list[str] = []
    for name, namespaces in (("ops", ["*"]), ("approvals", ["*"]), ("incidents", ["*"]), ("shop-team", ["shop"])):
        lines += ["[[channels]]", f"id = {json.dumps(world.channel(name))}", f"name = {json.dumps(name)}"]
        lines += [f"namespaces = {json.dumps(namespaces)}"]
        if name != "shop-team" and "prod" in world.places:
            lines.append('cluster = "prod"')
    return [
        *lines,
        "[approvals]",
        f"channel = {json.dumps(world.channel('approvals'))}",
        "[[routes]]",
        'name = "incidents"',
        f"channels = {json.dumps([world.channel('incidents')])}",
        'mention = ["here"]',
        "[routes.match]",
        'severities = ["failure", "warning", "security", "recovery"]',
    ]
