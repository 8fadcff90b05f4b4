"""Lists and targets made from the files of other data sets: ImageNet subsets, iNaturalist, VOC.

Letters: N images, C classes. Targets of VOC: 1 the class is there, 0 it is not, -1 not counted
(VOC calls the object difficult).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json, atomic_write_text
from mmselfsup.utils.plurals import counted

from .lists import read_text

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
_VOC_TARGETS = {"1": 1, "-1": 0, "0": -1}
_NUM_IMAGENET = 1000


def convert_imagenet_subset(source: str, output: str) -> int:
    """Write ``n01440764/n01440764_1.JPEG 0`` for each file name ``n01440764_1.JPEG`` of a list.

    The labels are those of ImageNet-1k: all folders in alphabetical order. The subsets of SimCLR
    (1 % and 10 %) have images of all of them.

    Returns:
        The number of images.

    Raises:
        UserError: A line is no such name, or the classes are not ImageNet's 1,000.
    """
    names = [line.strip() for line in read_text(source).splitlines() if line.strip()]
    for number, name in enumerate(names, 1):
        if not name.startswith("n") or "_" not in name or len(name.split()) > 1:
            raise UserError(f"{source}, line {number}: {name!r} is no name as n01440764_1.JPEG")
    folders = [name.rpartition("/")[2].partition("_")[0] for name in names]
    labels = {folder: label for label, folder in enumerate(sorted(set(folders)))}
    if len(labels) != _NUM_IMAGENET:
        raise UserError(
            f"{source}: images of {counted(len(labels), 'class')}; the labels follow from the list "
            f"only where it has all {_NUM_IMAGENET}"
        )
    lines = [
        f"{folder}/{name.rpartition('/')[2]} {labels[folder]}\n"
        for folder, name in zip(folders, names, strict=True)
    ]
    atomic_write_text(output, "".join(lines))
    return len(lines)


def convert_inaturalist(source: str, output: str) -> int:
    """Write ``file_name category_id`` for each annotation of iNaturalist's JSON file.

    Returns:
        The number of images.

    Raises:
        UserError: It is no such file.
    """
    try:
        content: dict[str, Any] = json.loads(read_text(source))
        files = {image["id"]: image["file_name"] for image in content["images"]}
        pairs = [(files[a["image_id"]], int(a["category_id"])) for a in content["annotations"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{source}: no annotations of iNaturalist (JSON with images and annotations): {error!r}"
        ) from error
    atomic_write_text(output, "".join(f"{name} {label}\n" for name, label in pairs))
    return len(pairs)


def convert_voc(
    source: str, output: str, separate: bool = False, as_json: bool = False
) -> Iterator[str]:
    """Write ``<part>_images.npy`` and ``<part>_targets.npy`` [N, 20] for each part of VOC.

    Args:
        source: Folder with ``ImageSets`` and ``JPEGImages``.
        output: Folder to write to; it is created.
        separate: Parts ``train`` and ``val`` instead of VOC's ``trainval``, which is called
            ``train``; ``test`` where VOC has it.
        as_json: Also write ``<part>_targets.json``: the targets of each image.

    Yields:
        A line about each part.

    Raises:
        UserError: A file of VOC is missing or makes no sense.
    """
    lists = Path(source, "ImageSets", "Main")
    parts = {"train": "train", "val": "val"} if separate else {"train": "trainval"}
    if (lists / "test.txt").exists():
        parts["test"] = "test"
    Path(output).mkdir(parents=True, exist_ok=True)
    for part, name in parts.items():
        ids, targets = _voc_targets(lists, name)
        images = np.array([str(Path(source, "JPEGImages", f"{i}.jpg")) for i in ids])
        for kind, array in (("images", images), ("targets", targets)):
            with atomic_write(Path(output, f"{part}_{kind}.npy")) as file:
                np.save(file, array)
        if as_json:
            rows = dict(zip(ids, targets.tolist(), strict=True))
            atomic_write_json(Path(output, f"{part}_targets.json"), rows)
        yield f"{part}: {len(ids)} images, {int((targets == 1).sum())} labels"


def _voc_targets(lists: Path, part: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the ids of a part in VOC's order, and its targets [N, 20]."""
    ids = read_text(str(lists / f"{part}.txt")).split()
    columns = []
    for name in VOC_CLASSES:
        path = lists / f"{name}_{part}.txt"
        rows = [line.split() for line in read_text(str(path)).splitlines() if line.strip()]
        if [row[0] for row in rows] != ids or any(row[1:2][0] not in _VOC_TARGETS for row in rows):
            raise UserError(
                f"{path}: needs a line 'ID 1', 'ID -1' or 'ID 0' for each of {part}.txt"
            )
        columns.append([_VOC_TARGETS[row[1]] for row in rows])
    return ids, np.array(columns, dtype=np.int64).T


def draw_low_shot(
    targets_file: str, output: str, ks: Sequence[int], num_samples: int = 5, seed: int = 0
) -> int:
    """Write ``train_targets_sample<i>_k<k>.npy``: targets in which few images count.

    For each class, k images with it count, and k images without it for each other class; all
    others have -1. A sample of a larger k contains that of a smaller one.

    Args:
        targets_file: The targets [N, C].
        output: Folder to write to; it is created.
        ks: Numbers of images of each class.
        num_samples: Samples of each k, counted from 1.
        seed: Seed of the draw.

    Returns:
        The number of files.

    Raises:
        UserError: The file can't be read, or a class has too few images.
    """
    try:
        targets = np.load(targets_file, allow_pickle=False)  # [N, C]
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{targets_file}: no array (.npy) that can be read: {error}") from error
    if targets.ndim != 2 or not ks or min(ks) < 1:
        raise UserError(f"{targets_file}: targets [N, C] and numbers of at least 1 are needed")
    fewest = int((targets == 1).sum(axis=0).min())
    if fewest < max(ks):
        raise UserError(f"{targets_file}: a class has {fewest} images, k = {max(ks)} needs more")
    Path(output).mkdir(parents=True, exist_ok=True)
    stem = Path(targets_file).stem
    for sample in range(1, num_samples + 1):
        rng = np.random.default_rng([seed, sample])
        order = [rng.permutation(np.flatnonzero(column == 1)) for column in targets.T]
        for k in ks:
            with atomic_write(Path(output, f"{stem}_sample{sample}_k{k}.npy")) as file:
                np.save(file, _keep_few(targets, order, k))
    return num_samples * len(ks)


def _keep_few(
    targets: NDArray[np.int64], order: Sequence[NDArray[np.int64]], k: int
) -> NDArray[np.int64]:
    """Return targets [N, C] in which the first k images of each class count."""
    few = np.full_like(targets, -1)
    for number, own in enumerate(order):
        for other, images in enumerate(order):
            if other == number:
                few[own[:k], number] = 1
            else:
                without = images[targets[images, number] == 0][:k]
                few[without, number] = 0
    return few
