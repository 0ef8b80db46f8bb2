"""The words of a body reach the command unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.webhooks.bodies import CommandBody, GateBody, Structured
from bot.webhooks.command_lines import gate_line, line_of
from commands.grammar.parser import parse
from domain.errors import UsageError

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=60).filter(str.strip)


@given(TEXTS)
def test_a_reason_is_kept_to_the_letter(reason):
    body = CommandBody(line="backup create b1 --include-namespaces shop", reason=reason)
    command = parse(line_of(body))
    assert command.text("reason") == reason
    assert (command.names, command.strings("include-namespaces")) == (("b1",), ["shop"])


@given(TEXTS)
def test_a_name_is_never_taken_for_a_flag(name):
    try:
        line = line_of(CommandBody(command=Structured(noun="backup", verb="create", names=(name,))))
    except UsageError:
        return
    command = parse(line)
    assert command.help or (command.names == (name,) and not command.flags)


def test_what_the_line_says_wins():
    body = CommandBody(line="backup create b1 --reason mine --cluster prod", reason="yours", cluster="staging")
    command = parse(line_of(body))
    assert (command.text("reason"), command.cluster) == ("mine", "prod")


def test_names_after_the_end_of_flags_stay_names():
    command = parse(line_of(CommandBody(line="backup create -- b1", cluster="prod")))
    assert (command.names, command.cluster) == (("b1",), "prod")


def test_an_unknown_verb_gets_the_nearest_one():
    with pytest.raises(UsageError) as fault:
        line_of(CommandBody(command=Structured(noun="backup", verb="creat", names=("b1",))))
    assert "create" in fault.value.nearest


def test_a_gate_names_its_backup_after_the_operation():
    body = GateBody(namespaces=("shop", "billing"), max_age="24h", ttl="72h", cluster="prod")
    command = parse(gate_line(body, body.namespaces, "op-abc"))
    assert command.name == "gate-abc"
    assert command.strings("include-namespaces") == ["shop", "billing"]
    assert command.text("reason") == "deploy gate"
