"""Command lines of the creating verbs, drawn from the product's own flag tables."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from commands.grammar import flags as types
from commands.grammar.flags import Flag, FlagType
from commands.grammar.verb import Verb
from commands.registry import VERBS

NOUNS = ("backup", "restore", "schedule", "backup-location", "snapshot-location")
LEFT_OUT = frozenset(
    {
        "output",  # every line asks for YAML
        "cacert",  # names a file; there are none in a chat
        "label-columns",
        "show-labels",
    }
)

Text = st.SearchStrategy[str]

WORDS = ("a", "b", "app", "env", "prod", "x1", "0", "a-b", "a_b", "a.b", "A", "x.io/y", "velero.io/z", "true")
ODD = ("", " ", "-a", "a-", ".", "/", "a/", "/b", "a b", "ä", "*", "a" * 64, "x" * 254)


def pick(*values: str) -> Text:
    return st.sampled_from(values)


def joined(parts: Text, between: str, least: int = 1, most: int = 3) -> Text:
    return st.lists(parts, min_size=least, max_size=most).map(between.join)


word = st.one_of(pick(*WORDS), pick(*WORDS), pick(*WORDS), pick(*ODD), st.text("abX01-._/", max_size=6))
namespace = st.one_of(
    pick("shop", "billing", "kube-system", "ns-1", "*", "ns-*", "ns?", "[ab]c"),
    pick("", "*a*", "a**", "a{b,c}", "[", "]", "[]", "[a-z]*", "UP", "a_b", "-a", " shop", "a|b", "!x", "n" * 64),
    st.text("ab1-*?[]!", max_size=5),
)
resource = pick("pods", "*", "deployments.apps", "pv", "secrets", "nodes", "", "no.such.kind", "*.apps")
switch = pick("true", "false", "1", "0", "t", "F", "TRUE", "False", "yes", "tRUE", "", "2")
number = st.one_of(
    st.integers(-3, 99).map(str),
    pick(
        "0x10", "010", "1_0", "0b11", "+4", "1e3", "", " 1", "9223372036854775807", "9223372036854775808", "0o7", "09"
    ),
)
amount = st.one_of(st.integers(0, 99).map(str), pick("1.5", ".5", "0.000000001", "1e3", "", "00", "1.", "2562047"))
duration = st.one_of(
    pick("0", "1h", "24h0m0s", "720h", "36h15m30.5s", "+5m", "500ms", "1h0m0.000000001s"),
    joined(st.tuples(amount, pick("h", "m", "s", "ms", "us", "µs", "ns", "")).map("".join), "", most=3),
    pick("", "1", "abc", "1H", "h", "--1h", "1h-1m", "9223372036s", "9223372037s", "2562048h", "."),
)
blank = pick("", "", "", " ")
operator = pick("=", "==", " in ", " notin ", "!=", ">", "<", " IN ", "=!")
values = st.one_of(
    word, joined(word, ",").map("({})".format), joined(word, ", ", 0).map("({})".format), pick("(", ")", "(a", "()")
)
requirement = st.one_of(
    st.tuples(word, blank, pick("=", "=="), blank, word).map("".join),
    st.tuples(word, pick(" in ", " notin ", " in"), joined(word, ",").map("({})".format)).map("".join),
    st.tuples(pick("", "", "!", "! "), word).map("".join),
    st.tuples(word, operator, values).map("".join),
)
selector = joined(requirement, ",", 0)
pair = st.one_of(
    st.tuples(word, pick("=", ":"), word).map("".join),
    st.tuples(word, pick("=", ":"), pick('"', "a=b", "a:b", "'", "a;b", 'a"b', "c\\", "http://x:9000")).map("".join),
    st.tuples(word, pick("=", ":"), word).map(lambda p: '"' + "".join(p) + '"'),
    word,
    pick('"a=1,2"', '"a""b=c"', '"a=b', 'a="b"', ""),
)
cron = st.one_of(
    pick("@daily", "@every 6h", "0 1 * * *", "*/15 * * * *", "CRON_TZ=Europe/Berlin 30 2 * * *", "0 0 30 2 *"),
    pick("", "bad", "61 * * * *", "0 0 * * * *", "@never", "TZ=Nowhere/None 0 1 * * *"),
)
ordered = joined(
    st.one_of(st.tuples(pick("pods", "pv", " pods ", ""), pick("=", "", "=="), joined(word, ",")).map("".join), word),
    ";",
)

BY_TYPE: dict[FlagType, Text] = {
    types.OPTIONAL_BOOL: switch,
    types.PEEKING_BOOL: switch,
    types.BOOL: switch,
    types.INT: number,
    types.DURATION: duration,
    types.STRING_SLICE: joined(st.one_of(word, pick('"a,b"', '"a', 'a"b', "aws-east", "gcp-1")), ",", 0),
    types.PAIRS: joined(pair, ",", 0),
    types.MAPPINGS: joined(pair, ",", 0),
    types.SELECTOR: selector,
    types.OR_SELECTOR: joined(selector, " or "),
    types.STRINGS: joined(resource, ",", 0),
}
BY_NAME: dict[str, Text] = {
    "include-namespaces": joined(namespace, ","),
    "exclude-namespaces": joined(namespace, ","),
    "storage-location": pick("default", "secondary", "missing", "", " default"),
    "volume-snapshot-locations": joined(pick("aws-east", "gcp-1", "missing", '"aws-east"'), ",", 0),
    "from-backup": pick("done", "done", "done", "half", "missing", "", "Done"),
    "from-schedule": pick("daily", "daily", "labelled", "owner", "never", "missing", ""),
    "schedule": cron,
    "ordered-resources": ordered,
    "existing-resource-policy": pick("none", "update", "Update", "", "recreate"),
    "access-mode": pick("ReadWrite", "ReadOnly", "readonly", ""),
    "provider": pick("aws", "velero.io/aws", "", "a b"),
    "bucket": pick("b", "other", "", "B/c"),
    "prefix": pick("p", "p/q", "/p/", ""),
    "credential": joined(pair, ",", most=2),
}
NEEDED = {
    "restore": ("from-backup",),
    "schedule": ("schedule",),
    "backup-location": ("provider", "bucket"),
    "snapshot-location": ("provider",),
}


@dataclass(frozen=True, slots=True)
class CommandLine:
    words: tuple[str, ...]

    @property
    def typed(self) -> str:
        """The line as Slack sends it."""
        return shlex.join(self.words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def value_of(flag: Flag) -> Text:
    return BY_NAME.get(flag.name, BY_TYPE.get(flag.type, word))


def spelled(draw: Callable[[st.SearchStrategy[str]], str], flag: Flag) -> list[str]:
    value = draw(value_of(flag))
    name = f"-{flag.short}" if flag.short and draw(pick("long", "short")) == "short" else f"--{flag.name}"
    if flag.type is types.PEEKING_BOOL:
        form = "equals"  # alone it is ours only
    elif flag.type.bare is None:
        form = draw(pick("apart", "apart", "equals", "glued" if name == f"-{flag.short}" else "equals"))
    else:
        form = draw(pick("bare", "equals"))
    return {"apart": [name, value], "equals": [f"{name}={value}"], "glued": [name + value], "bare": [name]}[form]


def verbs() -> list[Verb]:
    return [verb for verb in VERBS if verb.name == "create" and verb.noun in NOUNS]


def drawable(verb: Verb) -> list[Flag]:
    return [flag for flag in verb.flags if not flag.ours and not flag.hidden and flag.name not in LEFT_OUT]


@st.composite
def command_lines(draw: st.DrawFn) -> CommandLine:
    verb = draw(st.sampled_from(verbs()))
    flags = drawable(verb)
    needed = [flag for flag in flags if flag.name in NEEDED.get(verb.noun, ())]
    if draw(st.integers(0, 9)) == 0:
        needed = []
    chosen = [*needed, *draw(st.lists(st.sampled_from(flags), min_size=1, max_size=4))]
    parts: list[Sequence[str]] = [spelled(draw, flag) for flag in chosen]
    names = draw(
        st.sampled_from([("x",), ("x",), ("x",), ("x",), ("nightly-2",), (), ("x", "y"), ("Up_1",), ("n" * 64,)])
    )
    parts += [[name] for name in names]
    heads = draw(st.sampled_from([(verb.noun, "create"), (verb.noun, "create"), ("create", verb.noun)]))
    rest = [word for part in draw(st.permutations(parts)) for word in part]
    return CommandLine((*heads, "-o", "yaml", *rest))
