"""Numbers in the cells of tables."""

from __future__ import annotations


def number_in(text: str) -> float | None:
    """Return the number that a text is, None where it is none.

    Python alone would read names such as ``2019_12`` as numbers: its sources may have ``_`` between
    digits.
    """
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
