"""Numbers of things in words: one backup, two backups."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 backup`, `2 backups`, `2 copies`."""
    return f"{number} {plural_of(number, noun, plural)}"


def plural_of(number: int, noun: str, plural: str = "") -> str:
    """The noun alone, as the number asks for it."""
    return noun if number == 1 else plural or f"{noun}s"
