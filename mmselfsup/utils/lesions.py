"""Lesion ids of ISIC-2019: whether there is one, and the source it names."""

import re

#: Texts for an unknown value in tables, in lower case.
NO_VALUE = ("", "nan", "na", "n/a", "none", "null")
#: Source of an image whose lesion is not known.
NO_SOURCE = "none"


def clean_lesion(text: str) -> str:
    """Return the lesion id in a cell of a table, ``''`` where the cell holds none."""
    text = text.strip()
    return "" if text.lower() in NO_VALUE else text


def source_of(lesion: str) -> str:
    """Return the collection of an image, for people: HAM, BCN, MSK, or none without an id.

    It is the text before the ``_`` of the lesion id, without a number (``MSK4_0011169``).
    """
    return re.sub(r"\d+$", "", lesion.partition("_")[0]) or NO_SOURCE
