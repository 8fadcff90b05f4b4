"""Writing the demo data set in the layout of the ISIC-2019 challenge.

::

    ISIC_2019_Training_Input/ISIC_0000000.jpg ...
    ISIC_2019_Training_GroundTruth.csv
    ISIC_2019_Training_Metadata.csv
    demo.json                                  what it was made with

``demo.json`` is written first and the CSV files last: a folder with both is complete, a folder
with ``demo.json`` alone is continued, any other folder that isn't empty is left alone.
"""

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmselfsup.utils.atomic import atomic_write_json, atomic_write_text
from mmselfsup.utils.errors import UserError

from ..labels import CLASSES, UNKNOWN
from ..layout import GROUND_TRUTH, IMAGES, METADATA
from .plan import MIN_IMAGES, Photo, make_plan
from .write import write_images

SETTINGS = "demo.json"

MIN_SIZE, MAX_SIZE = 16, 1024


@dataclass(frozen=True)
class DemoSettings:
    """What decides the files' content.

    Attributes:
        num_images: number of photographs.
        size: short side in pixels; the long side is 4/3 of it.
        seed: of everything random.
        version: of the painters; raised when they draw something else.
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
        out: the folder; made where it isn't there.
        settings: number, size and seed; ``None`` for the default.
        workers: processes that draw; ``None`` for one a core. The files don't depend on it.

    Returns:
        The photographs, in the order of the files.

    Raises:
        UserError: the folder holds something else, or can't be written.
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
    """Whether all files are there."""
    if not (root / GROUND_TRUTH).is_file() or not (root / METADATA).is_file():
        return False
    there = {path.name for path in (root / IMAGES).glob("*.jpg")}
    return all(f"{photo.image}.jpg" in there for photo in photos)


def _claim(root: Path, settings: DemoSettings) -> None:
    """Make sure that the folder is empty or ours with the same settings."""
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file; give --out a folder")
    note = root / SETTINGS
    if not note.is_file():
        if root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
            raise UserError(f"{root} holds other files; give --out a new or empty folder")
        atomic_write_json(note, asdict(settings))
        return
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"can't read {note}; remove {root} and call again") from error
    if found != asdict(settings):
        raise UserError(
            f"{root} holds a demo data set made with {found}, asked for is {asdict(settings)}; "
            "give another --out or remove it"
        )


def _table(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _ground_truth(photos: list[Photo]) -> str:
    labels = [*CLASSES, UNKNOWN]
    rows = [[photo.image, *(str(float(photo.label == x)) for x in labels)] for photo in photos]
    return _table([["image", *labels], *rows])


def _metadata(photos: list[Photo]) -> str:
    head = ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]
    return _table([head, *([p.image, p.age, p.site, p.lesion_id, p.sex] for p in photos)])
