"""Age, site and sex of a patient as numbers.

Source: Gessert et al., Skin lesion classification using ensembles of multi-resolution
EfficientNets with meta data, MethodsX 7 (2020), 100864: age as a number, site and sex one-hot.

Differences from the paper: an unknown value has an entry of its own. In the paper, an unknown
site or sex is all zeros, and an unknown age a number far from all others.

Lesion ids of ISIC-2019: whether there is one, and the source it names.

Letters: D width of a code.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from .errors import UserError
from .text_numbers import number_in

#: Values of ``anatom_site_general`` in the files of ISIC-2019.
SITES = (
    "anterior torso",
    "head/neck",
    "lateral torso",
    "lower extremity",
    "oral/genital",
    "palms/soles",
    "posterior torso",
    "upper extremity",
)
#: Values of ``sex`` in the files of ISIC-2019.
SEXES = ("female", "male")
#: Age in years that becomes 1.
AGE_SCALE = 100.0
#: Largest age in years; more is a mistake or a code for a value that is not known.
OLDEST = 125
#: Texts for an unknown value in tables, in lower case.
NO_VALUE = ("", "nan", "na", "n/a", "none", "null")
_NOT_KNOWN = (*NO_VALUE, "unknown")
#: Names and widths of the parts of a code: each holds an entry for "not known".
PARTS = {"age": 2, "site": len(SITES) + 1, "sex": len(SEXES) + 1}
#: D.
WIDTH = sum(PARTS.values())
#: Source of an image whose lesion is not known.
NO_SOURCE = "none"


def encode_patient(
    age: str | float | None = None, site: str | None = None, sex: str | None = None
) -> NDArray[np.float32]:
    """Return the code of a patient: what is known of age, site and sex as numbers.

    Args:
        age: Years, 0 to 125.
        site: One of ``SITES``, in lower or upper case.
        sex: One of ``SEXES``, in lower or upper case.

    Each may be None or a text for "not known", such as ``''`` or ``'nan'``.

    Returns:
        [D], float32, 0..1.25: age / 100 (0 where it is not known), 1 if the age is not known; 1 at
        the site, the last entry if it is not known; 1 at the sex, the last if it is not known.

    Raises:
        UserError: A value is none of these.
    """
    return np.concatenate(
        (_number(age), _one_hot("site", site, SITES), _one_hot("sex", sex, SEXES))
    ).astype(np.float32)


def _cleaned(value: object) -> str:
    """Return the value in lower case, ``''`` for a value that is not known."""
    text = "" if value is None else str(value).strip().lower()
    return "" if text in _NOT_KNOWN else text


def _number(age: str | float | None) -> NDArray[np.float64]:
    """Return the two entries of the age."""
    text = _cleaned(age)
    if not text:
        return np.array((0.0, 1.0))
    years = number_in(text)
    if years is None or not 0 <= years <= OLDEST:
        raise UserError(f"age {age!r} must be years, 0 to {OLDEST}, or blank")
    return np.array((years / AGE_SCALE, 0.0))


def _one_hot(name: str, value: str | None, known: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the entries of the site or the sex."""
    text = _cleaned(value)
    if text and text not in known:
        raise UserError(f"{name} {value!r} must be one of {', '.join(known)}, or blank")
    code = np.zeros(len(known) + 1)
    code[known.index(text) if text else -1] = 1
    return code


def clean_lesion(text: str) -> str:
    """Return the lesion id in a cell of a table, ``''`` where the cell holds none."""
    text = text.strip()
    return "" if text.lower() in NO_VALUE else text


def source_of(lesion: str) -> str:
    """Return the collection of an image, for people: HAM, BCN, MSK, or none without an id.

    It is the text before the ``_`` of the lesion id, without a number (``MSK4_0011169``).
    """
    return re.sub(r"\d+$", "", lesion.partition("_")[0]) or NO_SOURCE
