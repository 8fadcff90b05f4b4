"""Small stand-ins for the challenge's files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEADER = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Random RGB pixels; a seed gives the same again."""

    def make(height: int = 6, width: int = 8, seed: int = 0, high: int = 256) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return generator.integers(0, high, (height, width, 3), dtype=np.uint8)

    return make


@pytest.fixture
def save_images(noise: Callable[..., np.ndarray]) -> Callable[[Path, Sequence[str]], None]:
    """Write small images of noise under the given names."""

    def save(folder: Path, names: Sequence[str]) -> None:
        for seed, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(seed=seed)).save(folder / name)

    return save


def ground_truth_csv(labels: dict[str, int]) -> str:
    """One-hot rows as the challenge writes them; label 8 is UNK."""
    rows = (
        f"{name}," + ",".join("01"[i == k] + ".0" for i in range(9)) for name, k in labels.items()
    )
    return "\n".join((HEADER, *rows)) + "\n"


def metadata_csv(lesions: dict[str, str]) -> str:
    """The columns of the challenge, with nothing but the lesion in them."""
    rows = (f"{name},,,{lesion}," for name, lesion in lesions.items())
    return "\n".join(("image,age_approx,anatom_site_general,lesion_id,sex", *rows)) + "\n"


@pytest.fixture
def challenge(tmp_path: Path, save_images: Callable[[Path, Sequence[str]], None]) -> Path:
    """A data set of 80 images: ten a class, two images a lesion but for the last of each class."""
    root = tmp_path / "isic"
    labels = {f"ISIC_{i:07d}": i % 8 for i in range(80)}
    lesions = {name: "" if i >= 72 else f"HAM_{i % 8}{i // 16}" for i, name in enumerate(labels)}
    save_images(root / "ISIC_2019_Training_Input", [f"{name}.jpg" for name in labels])
    (root / "ISIC_2019_Training_GroundTruth.csv").write_text(ground_truth_csv(labels))
    (root / "ISIC_2019_Training_Metadata.csv").write_text(metadata_csv(lesions))
    return root
