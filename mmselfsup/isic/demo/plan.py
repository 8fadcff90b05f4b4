"""Plan of the demo data set: which image shows which lesion of which patient.

The counts follow ISIC-2019 (Codella et al. 2018, Tschandl et al. 2018, Combalia et al. 2019):
its classes' imbalance, several images of a lesion, images without a lesion id, missing metadata.
"""

from dataclasses import dataclass

import numpy as np

from .canvas import Rng

#: Images of each class in the challenge's training set, in the order of its ground truth file.
CHALLENGE_COUNTS = {
    "MEL": 4522,
    "NV": 12875,
    "BCC": 3323,
    "AK": 867,
    "BKL": 2624,
    "DF": 239,
    "VASC": 253,
    "SCC": 628,
}
MIN_IMAGES = 16  # below this a class would have no image
_FLOOR = 40  # images a class gets at least, so that every fold has each class
_MIN_LESIONS = 8

_IMAGES_A_LESION = (0.57, 0.21, 0.12, 0.06, 0.04)  # fractions of lesions with 1 to 5 images
_NO_LESION_ID = 0.15  # fraction of the lesions with one image
_SOURCES = {"BCN": 0.53, "HAM": 0.43, "MSK4": 0.04}
_SITES = {
    "anterior torso": 0.27,
    "lower extremity": 0.20,
    "head/neck": 0.18,
    "upper extremity": 0.12,
    "posterior torso": 0.11,
    "": 0.10,
    "palms/soles": 0.02,
}
_MEAN_AGE = {"MEL": 61, "NV": 45, "BCC": 66, "AK": 67, "BKL": 64, "DF": 52, "VASC": 53, "SCC": 71}


@dataclass(frozen=True)
class Photo:
    """One row of the data set; empty strings are missing values, as in the real files."""

    image: str
    label: str
    lesion: int  # number of the lesion, known also where its id is not published
    lesion_id: str
    age: str
    site: str
    sex: str


def class_counts(num_images: int) -> dict[str, int]:
    """Return the number of images of each class: the challenge's ratios, with a least number.

    Raises:
        ValueError: ``num_images`` is below ``MIN_IMAGES``.
    """
    if num_images < MIN_IMAGES:
        raise ValueError(f"num_images is {num_images}; at least {MIN_IMAGES} are needed")
    floor = min(_FLOOR, num_images // MIN_IMAGES)
    total = sum(CHALLENGE_COUNTS.values())
    counts = {
        label: max(floor, round(num_images * count / total))
        for label, count in CHALLENGE_COUNTS.items()
    }
    counts["NV"] += num_images - sum(counts.values())  # takes up the rounding and the floor
    return counts


def _lesion_sizes(rng: Rng, num_images: int) -> list[int]:
    """Return the number of images of each lesion of a class; their sum is ``num_images``."""
    most = max(1, min(len(_IMAGES_A_LESION), num_images // _MIN_LESIONS))
    draws = rng.choice(len(_IMAGES_A_LESION), num_images, p=_IMAGES_A_LESION) + 1
    sizes: list[int] = []
    left = num_images
    for draw in draws.tolist():
        sizes.append(min(draw, most, left))
        left -= sizes[-1]
        if left == 0:
            break
    return sizes


def _patient(rng: Rng, label: str) -> tuple[str, str, str]:
    """Return age, site and sex of a patient with a lesion of class ``label``."""
    age = 5 * round(float(np.clip(rng.normal(_MEAN_AGE[label], 15), 5, 85)) / 5)
    site = str(rng.choice(list(_SITES), p=np.array(list(_SITES.values()))))
    sex = str(rng.choice(["male", "female", ""], p=[0.525, 0.46, 0.015]))
    return ("" if rng.random() < 0.02 else str(age)), site, sex


def make_plan(num_images: int, seed: int) -> list[Photo]:
    """Return all photographs of the demo data set, in the order of the files.

    Args:
        num_images: Number of photographs, at least ``MIN_IMAGES``.
        seed: Seed; equal seeds give equal plans on any machine.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0,))))
    shown: list[tuple[str, int, str, tuple[str, str, str]]] = []
    lesion = 0
    for label, count in class_counts(num_images).items():
        for size in _lesion_sizes(rng, count):
            source = str(rng.choice(list(_SOURCES), p=np.array(list(_SOURCES.values()))))
            # Only single images lack the id: several without it would count as other lesions.
            hidden = size == 1 and rng.random() < _NO_LESION_ID
            lesion_id = "" if hidden else f"{source}_{lesion:07d}"
            shown += [(label, lesion, lesion_id, _patient(rng, label))] * size
            lesion += 1
    order = rng.permutation(len(shown))  # else file names would reveal the class
    return [
        Photo(f"ISIC_{number:07d}", *shown[index][:3], *shown[index][3])
        for number, index in enumerate(order.tolist())
    ]
