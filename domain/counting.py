"""Counts with the noun in singular or plural."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 backup`, `2 backups`, `2 copies`."""
    return f"{number} {plural_of(number, noun, plural)}"


def plural_of(number: int, noun: str, plural: str = "") -> str:
    """Return the noun in the form for the number."""
    return noun if number == 1 else plural or f"{noun}s"
