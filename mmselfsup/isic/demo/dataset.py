"""The demo data set's files, in the layout of the ISIC-2019 challenge.

::

    ISIC_2019_Training_Input/ISIC_0000000.jpg ...
    ISIC_2019_Training_GroundTruth.csv
    ISIC_2019_Training_Metadata.csv
    demo.json                                  the settings

``demo.json`` is written first and the CSV files last: a folder with both is complete, a folder
with ``demo.json`` alone is completed, any other folder that isn't empty is refused.
"""

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, atomic_write_text

from ..labels import CLASSES, UNKNOWN
from ..layout import GROUND_TRUTH, IMAGES, METADATA
from .plan import MIN_IMAGES, Photo, make_plan
from .write import write_images

SETTINGS = "demo.json"

MIN_SIZE, MAX_SIZE = 16, 1024


@dataclass(frozen=True)
class DemoSettings:
    """Settings that determine the files' content.

    Attributes:
        num_images: Number of photographs.
        size: Short side in pixels; the long side is 4/3 of it.
        seed: Seed of all random numbers.
        version: Version of the painters; raised when they draw something else.
    """

    num_images: int = 2400
    size: int = 72
    seed: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        if self.num_images < MIN_IMAGES:
            raise UserError(f"--num-images is {self.num_images}; give at least {MIN_IMAGES}")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise UserError(f"--size is {self.size}; give {MIN_SIZE} to {MAX_SIZE} pixels")
        if self.seed < 0:
            raise UserError(f"--seed is {self.seed}; give 0 or more")


def make_demo_data(
    out: str | Path, settings: DemoSettings | None = None, workers: int | None = None
) -> list[Photo]:
    """Write the demo data set, or what is missing of it.

    Args:
        out: The folder; created if it is missing.
        settings: Number, size and seed; ``None`` for the default.
        workers: Number of processes; ``None`` for one per core. The files don't depend on it.

    Returns:
        The photographs, in the order of the files.

    Raises:
        UserError: The folder holds something else, or can't be written.
    """
    settings = settings or DemoSettings()
    root = Path(out)
    _claim(root, settings)
    photos = make_plan(settings.num_images, settings.seed)
    if is_complete(root, photos):
        return photos
    write_images(root / IMAGES, photos, settings.size, settings.seed, workers)
    atomic_write_text(root / METADATA, _metadata(photos))
    atomic_write_text(root / GROUND_TRUTH, _ground_truth(photos))
    return photos


def is_complete(root: Path, photos: list[Photo]) -> bool:
    """Return whether all files exist."""
    if not (root / GROUND_TRUTH).is_file() or not (root / METADATA).is_file():
        return False
    present = {path.name for path in (root / IMAGES).glob("*.jpg")}
    return all(f"{photo.image}.jpg" in present for photo in photos)


def _claim(root: Path, settings: DemoSettings) -> None:
    """Check that the folder is empty or a demo data set of the same settings."""
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file; give --out a folder")
    note = root / SETTINGS
    if not note.is_file():
        if root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
            raise UserError(f"{root} holds other files; give --out a new or empty folder")
        atomic_write_json(note, asdict(settings))
        return
    try:
        recorded = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"can't read {note}; remove {root} and run this again") from error
    if recorded != asdict(settings):
        raise UserError(
            f"{root} holds a demo data set made with {recorded}, now wanted: {asdict(settings)};  "
            "give another --out or remove it"
        )


def _table(rows: list[list[str]]) -> str:
    """Return rows as CSV text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _ground_truth(photos: list[Photo]) -> str:
    """Return the CSV text of the labels, one-hot."""
    labels = [*CLASSES, UNKNOWN]
    rows = [[photo.image, *(str(float(photo.label == x)) for x in labels)] for photo in photos]
    return _table([["image", *labels], *rows])


def _metadata(photos: list[Photo]) -> str:
    """Return the CSV text of the patients and lesions."""
    head = ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]
    return _table([head, *([p.image, p.age, p.site, p.lesion_id, p.sex] for p in photos)])
