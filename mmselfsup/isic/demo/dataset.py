"""The demo data set: which image shows which lesion, and the files, laid out as ISIC-2019's.

::

    ISIC_2019_Training_Input/ISIC_0000000.jpg ...
    ISIC_2019_Training_GroundTruth.csv
    ISIC_2019_Training_Metadata.csv
    demo.json                                  the settings

``demo.json`` is written first and the CSV files last: a folder with both is complete, a folder
with ``demo.json`` alone is completed, any other folder that isn't empty is refused.

The counts follow ISIC-2019 (Codella et al. 2018, Tschandl et al. 2018, Combalia et al. 2019):
its classes' imbalance, several images of a lesion, images without a lesion id, missing
metadata.
"""

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, atomic_write_text, csv_text

from ..challenge import CLASSES, GROUND_TRUTH, IMAGES, METADATA, UNKNOWN
from .drawing import Rng
from .photograph import Order, draw_batch, generator, set_up_process

SETTINGS = "demo.json"
MIN_SIZE, MAX_SIZE = 16, 1024
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
_BATCH = 32  # photographs a process draws before it reports


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


def _ground_truth(photos: list[Photo]) -> str:
    """Return the CSV text of the labels, one-hot."""
    labels = [*CLASSES, UNKNOWN]
    rows = [[photo.image, *(str(float(photo.label == x)) for x in labels)] for photo in photos]
    return csv_text([["image", *labels], *rows])


def _metadata(photos: list[Photo]) -> str:
    """Return the CSV text of the patients and lesions."""
    head = ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]
    return csv_text([head, *([p.image, p.age, p.site, p.lesion_id, p.sex] for p in photos)])


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
    rng = generator(seed, 0)
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


def write_images(
    folder: Path, photos: list[Photo], size: int, seed: int, workers: int | None = None
) -> int:
    """Draw the photographs that aren't in ``folder`` yet; return their number.

    Args:
        folder: Folder of the files; created if it is missing.
        photos: Photographs to draw; the position in the list is the photograph's number.
        size: Short side in pixels.
        seed: Seed of all random numbers.
        workers: Number of processes; ``None`` for one per core, 1 draws in this process.

    Returns:
        The number of photographs drawn.

    Raises:
        UserError: The folder can't be written, or a process was killed.
    """
    # Loads torch: after the checks.
    from mmselfsup.utils.cpus import available_cores
    from mmselfsup.utils.progress import progress

    orders = [
        Order(str(folder / f"{photo.image}.jpg"), photo.label, photo.lesion, number)
        for number, photo in enumerate(photos)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Temporary files of a run that was killed; their photographs are drawn again.
        for left_over in folder.glob(".*.tmp"):
            left_over.unlink()
        present = set(os.listdir(folder))
        todo = [order for order in orders if os.path.basename(order.path) not in present]
        with progress(desc="demo images", total=len(orders), unit="img") as bar:
            bar.update(len(orders) - len(todo))
            _draw(todo, size, seed, available_cores() if workers is None else workers, bar.update)
    except OSError as error:
        raise UserError(f"can't write to {folder}: {error.strerror or error}") from error
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that draws into {folder} was killed (out of memory?); run again to resume"
        ) from error
    return len(todo)


def _draw(
    orders: list[Order], size: int, seed: int, workers: int, report: Callable[[int], object]
) -> None:
    """Draw photographs in batches, in this process or in several; report each batch."""
    batches = [orders[start : start + _BATCH] for start in range(0, len(orders), _BATCH)]
    workers = min(workers, len(batches))
    if workers <= 1:
        for batch in batches:
            report(draw_batch(batch, size, seed))
        return
    # Spawned, not forked: OpenCV's threads do not survive a fork.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, set_up_process, (os.getpid(),)) as pool:
        jobs = [pool.submit(draw_batch, batch, size, seed) for batch in batches]
        try:
            for job in as_completed(jobs):
                report(job.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all batches
            raise
