"""The decode cache and colour constancy: many small images, several writers."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmselfsup.datasets.cache import read_index
from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.datasets.pipelines.geometric import resize, shorter_side

from .compare import TEMPORARY, files_of, is_temporary
from .processes import Work
from .scenario import Scenario, text_of
from .trainings import tool

NUM_IMAGES = 240
SHORT_SIDE = 64  # below that of some of the images
PASSES = 3  # over the images in a cache
#: Two lists with common images: two processes write one cache.
_PARTS = {"first": (0, 180), "second": (60, 240)}


def prepare(place: Path) -> None:
    """Write images of several sizes and formats in two folders, and two lists."""
    rng = np.random.default_rng(0)
    names = []
    for number in range(NUM_IMAGES):
        folder, suffix = ("a", "a/deep", "b")[number % 3], (".jpg", ".png")[number % 4 == 3]
        size = (48, 60, 3) if number % 5 == 0 else (96, 130, 3)
        name = f"{folder}/{number}{suffix}"
        path = place / "many" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(path)
        names.append(name)
    for part, (begin, end) in _PARTS.items():
        (place / f"{part}.txt").write_text("".join(f"{n} 0\n" for n in names[begin:end]))


def use_cache(place: Path, out: str, part: str) -> None:
    """Build the cache of a list, read all of its images, and note what they are."""
    sys.stdout = sys.stderr = text_of(place, f"{out}.{part}").open("w")
    cache = {"dir": str(place / out), "short_side": SHORT_SIDE}
    source = ImageList(str(place / "many"), ann_file=str(place / f"{part}.txt"), cache=cache)
    passes = [[digest(source.get_pixels(i)) for i in range(len(source))] for _ in range(PASSES)]
    (place / f"{out}.{part}.json").write_text(json.dumps(passes))


def digest(pixels: NDArray[np.uint8]) -> str:
    """Return a checksum of an image and its shape."""
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def decoded_directly(place: Path) -> dict[str, Any]:
    """Return what ``_cache_state`` must be, from images that were decoded without a cache."""
    found: dict[str, Any] = {"images twice": [], "others": []}
    for part in _PARTS:
        source = ImageList(str(place / "many"), ann_file=str(place / f"{part}.txt"))
        images = [_shrunk(source.get_pixels(i)) for i in range(len(source))]
        found[part] = [[digest(image) for image in images]] * PASSES
    return found


def _shrunk(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if min(height, width) <= SHORT_SIDE:
        return pixels
    return resize(pixels, shorter_side(height, width, SHORT_SIDE))


def _cache_state(place: Path, out: str) -> dict[str, Any]:
    """Return the images that were read, those that the cache has twice, and other files in it."""
    found: dict[str, Any] = {
        part: json.loads((place / f"{out}.{part}.json").read_text()) for part in _PARTS
    }
    (folder,) = (place / out).iterdir()
    names = Counter(record.tobytes() for record in read_index(folder)["name"])
    known = ("settings.json", "pixels.bin", "index.bin", "lock")
    others = [p for p in folder.iterdir() if p.name not in known and p.suffix != ".npy"]
    return {
        **found,
        "images twice": [name.hex() for name, count in names.items() if count > 1],
        "others": [TEMPORARY if is_temporary(path) else path.name for path in others],
    }


def _cache_works(place: Path, out: str) -> Sequence[Work]:
    (place / out).mkdir(exist_ok=True)
    return [Work(use_cache, (place, out, part)) for part in _PARTS]


_CONSTANCY = ("apply_color_constancy.py", "--src", "many/a", "--dst", "{out}", "--workers", "2")
SCENARIOS = (
    Scenario("cache", _cache_works, _cache_state, alone=True, reference=decoded_directly),
    Scenario(
        "constancy",
        lambda place, out: tool(_CONSTANCY, place, out),
        lambda place, out: files_of(place / out),
        alone=True,
    ),
)
