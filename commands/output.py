"""Flags that say how an answer looks."""

from commands.flags import BOOL, STRING_SLICE, TEXT, Flag, choice

OUTPUT_FLAGS: tuple[Flag, ...] = (
    Flag("output", choice("table", "json", "yaml", ""), "Show the object and write nothing", short="o", group="Output"),
    Flag("label-columns", STRING_SLICE, "Labels shown as columns", short="L", group="Output"),
    Flag("show-labels", BOOL, "Labels in the last column", group="Output"),
)

LIST_FLAGS: tuple[Flag, ...] = (
    Flag("output", choice("table", "wide", "json", "yaml", ""), "table, wide, json or yaml", short="o", group="Output"),
    Flag("label-columns", STRING_SLICE, "Labels shown as columns", short="L", group="Output"),
    Flag("show-labels", BOOL, "Labels in the last column", group="Output"),
)

ALL_CLUSTERS = Flag("all-clusters", BOOL, "Over every cluster", short="A", group="Cluster", ours=True)

FIND = Flag("find", TEXT, "Only items like kind/name", group="Output", ours=True)
