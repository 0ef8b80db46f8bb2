"""Alert rules and dashboard against what a running bot exposes."""

import asyncio
import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from benchmarks.process import bot
from bot import metrics
from sandbox import world as worlds
from tests.deploy.rendering import DEPLOY, ROOT
from tests.scenarios.process import free_port

RULES = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text("utf-8"))["groups"]
DASHBOARD = json.loads((DEPLOY / "monitoring" / "dashboard.json").read_text("utf-8"))
ALERTS = [rule for group in RULES for rule in group["rules"]]
QUERIES = [alert["expr"] for alert in ALERTS] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]
OURS = re.compile(r"\bvelero_chatops_\w+")
DECLARED = {
    (f"{each._name}_total" if each._type == "counter" else each._name): each
    for each in vars(metrics).values()
    if isinstance(each, MetricWrapperBase)
}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> str:
    async def ask(directory: Path) -> str:
        world = await worlds.build(directory, clusters=("prod",))
        try:
            settings, port = worlds.settings(world, directory / "data"), free_port()
            text = settings.read_text("utf-8")
            settings.write_text(text.replace("'127.0.0.1:0'", f"'127.0.0.1:{port}'"))
            async with bot(settings):
                return await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
        finally:
            await world.close()

    return asyncio.run(ask(tmp_path_factory.mktemp("world")))


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def family(name: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", name)


def labels_of(query: str) -> set[str]:
    inside = re.findall(r"\{([^}]*)\}", query) + re.findall(r"\bby\s*\(([^)]*)\)", query)
    return {part.strip() for each in inside for part in re.split(r"[=~!]+\"[^\"]*\"|,", each)} - {"", "le", "job"}


def test_every_query_asks_for_what_is_exposed(exposed):
    there = set(re.findall(r"^# TYPE (\S+)", exposed, re.MULTILINE))
    asked = {family(name) for query in QUERIES for name in OURS.findall(query)}
    assert asked <= there


def test_every_metric_of_ours_is_exposed_and_shown(exposed):
    there = set(re.findall(r"^# TYPE (velero_chatops_\w+)", exposed, re.MULTILINE))
    shown = {family(name) for query in QUERIES for name in OURS.findall(query)}
    assert set(DECLARED) == {name for name in there if not name.endswith("_created")} == shown


@pytest.mark.parametrize("query", QUERIES)
def test_labels_are_those_of_the_metric(query):
    known = {label for name in OURS.findall(query) for label in DECLARED[family(name)]._labelnames}
    assert not OURS.findall(query) or labels_of(query) <= known


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_legends_name_labels_of_the_query(panel):
    for target in panel["targets"]:
        known = {label for name in OURS.findall(target["expr"]) for label in DECLARED[family(name)]._labelnames}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known


def test_names_follow_the_conventions():
    """https://prometheus.io/docs/practices/naming/"""
    for name, metric in DECLARED.items():
        assert name.startswith("velero_chatops_")
        assert (metric._type == "counter") == name.endswith("_total")
        assert metric._type != "histogram" or name.endswith("_seconds")
        assert metric._documentation


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_leads_to_a_paragraph_of_the_runbook(alert):
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert alert["labels"]["severity"] in {"warning", "critical"}
