"""Issues planted into a data set: near-duplicates, off-topic images, and wrong labels.

A search for issues (``tools/isic2019/find_issues.py``) can be measured with them, because which
images are wrong is known. The data set itself is not changed: the planted one is a folder of links
to its images, and of the files that are new.

::

    images/                   links, planted_copy_00000.jpg ..., planted_other_00000.png ...
    list.txt                  name label; of some images another label than theirs
    metadata.csv              image, lesion_id; planted images have none
    planted.csv               kind, image, source, label, true_label

Letters: N images, C classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from mmselfsup.datasets.data_sources.decode import open_rgb
from mmselfsup.datasets.data_sources.lists import NO_LABEL, Entry, read_entries, with_extension
from mmselfsup.datasets.data_sources.metadata import read_lesions
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_text, csv_text
from mmselfsup.utils.progress import progress

from .drawing import Rng

COPY, OTHER, WRONG = "duplicate", "off_topic", "label_error"
PLANTED, LIST, LESIONS, FOLDER = "planted.csv", "list.txt", "metadata.csv", "images"
COLUMNS = ("kind", "image", "source", "label", "true_label")


class Planted(NamedTuple):
    """One planted issue: its kind, the image, and what is wrong with it.

    Attributes:
        kind: ``duplicate``, ``off_topic`` or ``label_error``.
        image: Name of the image.
        source: Name of the image that a duplicate copies, otherwise ``''``.
        label: Label in the list.
        true_label: Label before the planting; -1 of an off-topic image.
    """

    kind: str
    image: str
    source: str
    label: int
    true_label: int


@dataclass(frozen=True)
class Plan:
    """How much is planted, as fractions of N, 0..1, and the seed of all draws.

    Attributes:
        copies: Near-duplicates: cropped, recompressed and mirrored copies in turn.
        others: Off-topic images.
        wrong: Images whose label is replaced by another one.
        seed: Seed of the draws.
    """

    copies: float = 0.01
    others: float = 0.01
    wrong: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("copies", "others", "wrong"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise UserError(f"--{name} {getattr(self, name)}: give a fraction, 0 to 0.5")


def plant(
    images: Path, ann_file: Path, metadata: Path | None, out: Path, plan: Plan
) -> list[Planted]:
    """Write a planted copy of a data set.

    Args:
        images: Folder of the images.
        ann_file: List of the images with their labels, text or CSV.
        metadata: CSV of the lesions; None where they are not known.
        out: New folder, laid out as the head of this file shows.
        plan: How much is planted.

    Returns:
        What was planted.

    Raises:
        UserError: The folder is not empty, there are fewer than two classes or no labels to
            replace, or an image can't be read.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} holds other files; give --out a new or empty folder")
    entries = with_extension(read_entries(str(ann_file))[0], str(images))
    labels = np.array([e.label if isinstance(e.label, int) else NO_LABEL for e in entries])
    if (labels < 0).any() or len(set(labels.tolist())) < 2:
        raise UserError(f"{ann_file}: one label for each image, of two classes or more, is needed")
    names = [entry.name for entry in entries]
    lesions = [""] * len(names) if metadata is None else read_lesions(str(metadata), names)
    rng = np.random.default_rng(plan.seed)
    wrong = _wrong_labels(entries, labels, plan, rng)
    copies = _copies(images, entries, out / FOLDER, plan, rng)
    others = _others(labels, out / FOLDER, _usual_size(images, names), plan, rng)
    _link(images, names, out / FOLDER)
    listed = dict(zip(names, labels.tolist(), strict=True))
    listed.update({item.image: item.label for item in (*wrong, *copies, *others)})
    atomic_write_text(out / LIST, "".join(f"{name} {label}\n" for name, label in listed.items()))
    atomic_write_text(
        out / LESIONS, csv_text([("image", "lesion_id"), *zip(names, lesions, strict=True)])
    )
    planted = [*copies, *others, *wrong]
    atomic_write_text(out / PLANTED, csv_text([COLUMNS, *planted]))
    return planted


def read_planted(path: Path) -> list[Planted]:
    """Read ``planted.csv``.

    Raises:
        UserError: It is missing, or no such file.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise KeyError(*COLUMNS)
        return [
            Planted(r["kind"], r["image"], r["source"], int(r["label"]), int(r["true_label"]))
            for r in reader
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: can't read the planted issues ({type(error).__name__}); name the "
            f"{PLANTED} that plant_issues.py wrote"
        ) from error


def _wrong_labels(
    entries: Sequence[Entry], labels: NDArray[np.int64], plan: Plan, rng: Rng
) -> list[Planted]:
    """Draw images and another label for each, all other classes alike."""
    classes = np.unique(labels)
    drawn = np.sort(rng.permutation(len(labels))[: round(plan.wrong * len(labels))])
    wrong = []
    for i in drawn.tolist():
        label = int(rng.choice(classes[classes != labels[i]]))
        wrong.append(Planted(WRONG, entries[i].name, "", label, int(labels[i])))
    return wrong


def _copies(
    images: Path, entries: Sequence[Entry], folder: Path, plan: Plan, rng: Rng
) -> list[Planted]:
    """Write copies of drawn images, each changed in one of three ways, and once more by JPEG."""
    drawn = rng.permutation(len(entries))[: round(plan.copies * len(entries))]
    made = []
    for n, i in enumerate(progress(drawn.tolist(), desc="copies", unit="image")):
        entry, name = entries[i], f"planted_copy_{n:05d}.jpg"
        image = changed(open_rgb(images / entry.name), n % 3, rng)
        with atomic_write(folder / name, sync=False) as file:
            image.save(file, format="JPEG", quality=35 if n % 3 == 1 else 80)
        assert isinstance(entry.label, int)
        made.append(Planted(COPY, name, entry.name, entry.label, entry.label))
    return made


def changed(image: Image.Image, way: int, rng: Rng) -> Image.Image:
    """Return a copy of an image: 0 cropped by 5 to 15 %, 1 made smaller by 30 %, 2 mirrored."""
    width, height = image.size
    if way == 1:
        return image.resize((max(1, round(0.7 * width)), max(1, round(0.7 * height))))
    if way == 2:
        return ImageOps.mirror(image)
    keep = 1 - rng.uniform(0.05, 0.15)
    cut = max(1, round(keep * width)), max(1, round(keep * height))
    left, top = (int(rng.integers(0, n - c + 1)) for n, c in zip(image.size, cut, strict=True))
    return image.crop((left, top, left + cut[0], top + cut[1])).resize(image.size)


def _others(
    labels: NDArray[np.int64], folder: Path, size: tuple[int, int], plan: Plan, rng: Rng
) -> list[Planted]:
    """Write images that show no skin, with labels as frequent as in the data set."""
    made = []
    for n in progress(range(round(plan.others * len(labels))), desc="off-topic", unit="image"):
        name = f"planted_other_{n:05d}.png"
        with atomic_write(folder / name, sync=False) as file:
            off_topic(n % 5, size, rng).save(file, format="PNG")
        made.append(Planted(OTHER, name, "", int(rng.choice(labels)), NO_LABEL))
    return made


def off_topic(kind: int, size: tuple[int, int], rng: Rng) -> Image.Image:
    """Return an image without skin: 0 page of text, 1 noise, 2 checks, 3 shapes, 4 a gradient.

    Args:
        kind: 0 to 4.
        size: Width and height in pixels.
        rng: Source of the random numbers.
    """
    width, height = size
    ink, paper = (tuple(rng.integers(0, 256, 3).tolist()) for _ in range(2))
    if kind == 1:
        return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if kind == 4:
        way = np.linspace(0, 1, width)[None, :, None] * np.ones((height, 1, 1))
        return Image.fromarray((np.array(ink) * way + np.array(paper) * (1 - way)).astype(np.uint8))
    image = Image.new("RGB", size, (250, 250, 250) if kind == 0 else paper)
    draw = ImageDraw.Draw(image)
    if kind == 0:
        step = max(3, height // 14)
        for y in range(step, height - step, step):
            end = int(rng.integers(width // 2, width - 4))
            draw.line((4, y, end, y), fill=(20, 20, 20), width=max(1, step // 3))
    elif kind == 2:
        side = int(rng.integers(max(2, height // 12), max(3, height // 4)))
        for y in range(0, height, side):
            for x in range(0, width, side):
                if (x // side + y // side) % 2:
                    draw.rectangle((x, y, x + side - 1, y + side - 1), fill=ink)
    else:
        for _ in range(9):
            x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
            w, h = (int(rng.integers(4, max(5, n // 3))) for n in size)
            colour = tuple(rng.integers(0, 256, 3).tolist())
            (draw.rectangle if rng.random() < 0.5 else draw.ellipse)((x, y, x + w, y + h), colour)
    return image


def _usual_size(images: Path, names: Sequence[str]) -> tuple[int, int]:
    """Return the size of the first image: an off-topic image must not stand out by its size."""
    return open_rgb(images / names[0]).size


def _link(images: Path, names: Sequence[str], folder: Path) -> None:
    """Link the images of the data set into a folder.

    Raises:
        UserError: The file system has no links.
    """
    try:
        for name in names:
            link = folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((images / name).resolve())
    except OSError as error:
        raise UserError(f"can't link the images into {folder}: {error.strerror}") from error
