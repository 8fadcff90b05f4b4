"""Numbers with the word that they count: one epoch, two epochs."""

from __future__ import annotations


def plural(number: int, one: str, several: str = "") -> str:
    """Return the word for a number of things.

    Args:
        number: How many there are.
        one: The word for one of them.
        several: The word for several or none; by default ``one`` with an s, or es after a hiss.
    """
    if number == 1:
        return one
    hiss = one.endswith(("s", "x", "tch", "sh"))
    return several or f"{one}{'es' if hiss else 's'}"


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number and its word, ``1 epoch`` or ``2 epochs``; see ``plural``."""
    return f"{number} {plural(number, one, several)}"
