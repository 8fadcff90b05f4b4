"""Age, site and sex as numbers, against a table written by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import PARTS, SEXES, SITES, WIDTH, encode_patient

# age, not known | anterior, head, lateral, lower, oral, palms, posterior, upper, not known |
# female, male, not known
BY_HAND = [
    (("55", "anterior torso", "female"), "0.55 0  1 0 0 0 0 0 0 0 0  1 0 0"),
    ((30.0, "upper extremity", "male"), "0.30 0  0 0 0 0 0 0 0 1 0  0 1 0"),
    (("0", "Head/Neck ", " MALE"), "0    0  0 1 0 0 0 0 0 0 0  0 1 0"),
    (("85.0", "palms/soles", ""), "0.85 0  0 0 0 0 0 1 0 0 0  0 0 1"),
    (("", "", ""), "0    1  0 0 0 0 0 0 0 0 1  0 0 1"),
    ((None, "nan", "unknown"), "0    1  0 0 0 0 0 0 0 0 1  0 0 1"),
    ((float("nan"), None, None), "0    1  0 0 0 0 0 0 0 0 1  0 0 1"),
]


@pytest.mark.parametrize(("given", "code"), BY_HAND)
def test_by_hand(given: tuple, code: str) -> None:
    found = encode_patient(*given)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(code.split(), dtype=np.float32))


def test_a_checkpoint_knows_only_the_order() -> None:
    """The columns have no names in a trained network: neither order nor number may change."""
    assert (PARTS, WIDTH) == ({"age": 2, "site": 9, "sex": 3}, 14)
    assert list(SITES) == sorted(SITES)
    assert list(SEXES) == sorted(SEXES)


@given(
    age=st.one_of(st.none(), st.floats(0, 125)),
    site=st.sampled_from([*SITES, ""]),
    sex=st.sampled_from([*SEXES, ""]),
)
def test_every_part_says_one_thing(age: float | None, site: str, sex: str) -> None:
    code = encode_patient(age, site, sex)
    years, sites, sexes = np.split(code, [2, 11])
    assert years[1] == (age is None)
    assert years[0] == np.float32(0 if age is None else age / 100)
    assert sites.sum() == sexes.sum() == 1
    assert [*SITES, ""][sites.argmax()] == site
    assert [*SEXES, ""][sexes.argmax()] == sex


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("old", "", ""), "age 'old' must be years, 0 to 125, or blank"),
        (("-5", "", ""), "age '-5' must be years"),
        ((1e9, "", ""), "must be years"),
        (("inf", "", ""), "must be years"),
        (("", "torso", ""), "site 'torso' must be one of anterior torso, head/neck, .*, or blank"),
        (("", "", "f"), "sex 'f' must be one of female, male, or blank"),
    ],
)
def test_other_values(given: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        encode_patient(*given)
