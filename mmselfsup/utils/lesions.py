"""What a lesion id of ISIC-2019 says: whether there is one, and where it comes from."""

import re

#: What files write where something is not known, in small letters.
NO_VALUE = ("", "nan", "na", "n/a", "none", "null")
#: Source of an image whose lesion is not known.
NO_SOURCE = "none"


def clean_lesion(text: str) -> str:
    """The lesion id in a cell of a table, ``''`` where it says that there is none."""
    text = text.strip()
    return "" if text.lower() in NO_VALUE else text


def source_of(lesion: str) -> str:
    """The collection an image comes from, for people: HAM, BCN, MSK, or none without an id.

    It is what stands before the ``_`` of the lesion id, without a number (``MSK4_0011169``).
    """
    return re.sub(r"\d+$", "", lesion.partition("_")[0]) or NO_SOURCE
