"""Settings of Python's cyclic garbage collector, for a process that keeps ten thousand objects and responds in milliseconds."""

from __future__ import annotations

import gc

GC_THRESHOLDS = (20_000, 20, 50)
"""Lists of ten thousand backups have no cycles; with Python's default of 700 the collector walks them a hundred times."""


def freeze_startup_objects() -> None:
    """Exclude the objects of the startup from collection; call it when everything is imported and built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
