"""The app manifest: only what is configured, and every scope that the bot's calls need."""

import ast
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bot.cli import cli
from bot.configuration.settings import Settings
from bot.slack.manifest import EVENTS, build_manifest, hint, required_scopes
from bot.slack.shortcuts import FORMS, SHORTCUTS, handled_callback_ids
from commands.grammar.vocabulary import SHARED_FLAGS
from commands.registry import VERBS
from domain.errors import ConfigError
from sandbox.slack.web_api import METHODS

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "example.toml"
HTTP = {"transport": "http", "public_url": "https://chatops.example.com/"}


def settings(**slack) -> Settings:
    return Settings.model_validate({"slack": slack})


def granted(of: Settings) -> set[str]:
    return {scope.name for scope in required_scopes(of)}


def printed(*args: str) -> str:
    done = CliRunner().invoke(cli, ["slack", "manifest", "--config", str(EXAMPLE), *args])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_yaml_and_json_say_the_same():
    assert yaml.safe_load(printed()) == json.loads(printed("-o", "json"))


def test_every_scope_has_a_reason():
    lines = [line.strip() for line in printed().splitlines()]
    for scope in required_scopes(settings(transport="socket")):
        assert any(line.startswith(f"- {scope.name}  # {scope.why}") for line in lines)


def test_no_secret_is_read(monkeypatch):
    monkeypatch.setenv("VELERO_CHATOPS_SLACK_BOT_TOKEN", "xoxb-do-not-show")
    assert "do-not-show" not in printed()


def test_commands_are_those_of_the_settings():
    made = build_manifest(settings(transport="socket", command="/vel", aliases={"/bk": "backup"}))
    commands = {each["command"]: each for each in made["features"]["slash_commands"]}
    assert commands.keys() == {"/vel", "/bk"}
    assert commands["/bk"]["description"] == "Same as /vel backup"
    assert all(each["should_escape"] for each in commands.values())


def test_hints_name_the_verbs_of_the_registry():
    verbs = {verb.name for verb in VERBS if verb.noun == "backup"}
    assert {"create", "get", "delete"} <= set(hint("backup").split(" | ")) <= verbs


def test_socket_mode_needs_no_address():
    made = build_manifest(settings(transport="socket"))
    assert made["settings"]["socket_mode_enabled"] is True
    assert "http" not in json.dumps(made)


def test_http_gives_slack_the_request_url():
    made = build_manifest(settings(**HTTP))
    url = "https://chatops.example.com/slack/events"
    assert made["settings"]["socket_mode_enabled"] is False
    assert {each["url"] for each in made["features"]["slash_commands"]} == {url}
    assert made["settings"]["interactivity"] == {
        "is_enabled": True,
        "request_url": url,
        "message_menu_options_url": url,
    }
    assert made["settings"]["event_subscriptions"]["request_url"] == url


def test_http_without_a_public_url_is_an_error():
    with pytest.raises(ConfigError) as fault:
        build_manifest(settings(transport="http"))
    assert "slack.public_url is missing" in fault.value.faults[0]


def test_fewer_scopes_are_requested_if_less_is_configured():
    everything = granted(settings())
    assert everything - granted(settings(files=False)) == {"files:write"}
    without = Settings.model_validate({"delivery": {"history": False}})
    assert everything - granted(without) == {"channels:history", "groups:history"}


def test_optional_scopes_are_among_the_requested_ones():
    asked = build_manifest(settings(**HTTP))["oauth_config"]["scopes"]
    assert set(asked["bot_optional"]) < set(asked["bot"])


def test_lengths_are_those_that_slack_takes():
    """https://docs.slack.dev/reference/app-manifest"""
    made = build_manifest(settings(**HTTP))
    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140
    for each in made["features"]["slash_commands"]:
        assert len(each["command"]) <= 32
        assert len(each["usage_hint"]) <= 1000
    assert len(SHORTCUTS) <= 10


def test_every_shortcut_is_answered_and_every_answer_has_its_shortcut():
    made = build_manifest(settings(**HTTP))["features"]["shortcuts"]
    assert {each["callback_id"] for each in made} == handled_callback_ids()
    assert {each["type"] for each in made} <= {"global", "message"}
    for each in made:
        assert len(each["name"]) <= 24
        assert len(each["description"]) <= 150


@pytest.mark.parametrize("callback", FORMS)
def test_every_box_of_a_form_fills_a_flag_that_there_is(callback):
    form = FORMS[callback]
    verb = next(verb for verb in VERBS if (verb.noun, verb.name) == (form.noun, "create"))
    taken = {flag.name for flag in (*verb.flags, *SHARED_FLAGS)}
    assert {box.flag for box in form.boxes if box.flag} <= taken


def called() -> set[str]:
    """Methods of the Web API by the calls in the code."""
    names = {"files_upload_v2": ("files.getUploadURLExternal", "files.completeUploadExternal")}
    found: set[str] = set()
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "notifier").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.partition("_")[0] in {
                "auth", "chat", "conversations", "files", "reactions", "usergroups", "users", "views",
            }:  # fmt: skip
                found |= set(names.get(node.attr, (node.attr.replace("_", ".", 1),)))
    return found & METHODS.keys()


def test_every_call_that_the_code_makes_is_granted():
    needed = {METHODS[name].scope for name in called()} - {""}
    assert needed <= granted(settings())
    assert {"chat:write", "users:read", "usergroups:read"} <= needed


def test_every_event_that_a_listener_knows_is_subscribed_to():
    listened = {
        node.value
        for node in ast.walk(ast.parse((ROOT / "bot/slack/listeners.py").read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {name.partition(".")[0] for name in EVENTS} <= listened
