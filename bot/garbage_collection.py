"""The cyclic collector of a process that keeps ten thousand objects and answers in milliseconds."""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 50)
"""Lists of ten thousand backups are trees without cycles: with Python's own 700 the collector walks them a hundred times."""


def freeze_startup_objects() -> None:
    """Once everything is imported and built: what lives for ever is not walked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
