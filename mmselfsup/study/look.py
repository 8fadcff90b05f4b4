"""What a study reads and writes, looked at before its first stage and shown as one table.

Names, labels and sizes of all images are looked up; the content is read only of files of equal
size, which may be the same image. So it takes seconds, before trainings of hours.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmselfsup.config.inspect import head_classes
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import file_stamps
from mmselfsup.utils.image_names import image_stem
from mmselfsup.utils.plurals import counted, plural

from .data import PARTS, ground_truth_csv, metadata_csv
from .disk import GIB, disk_use
from .image_digests import ImageDigests
from .keep import what_stays
from .report.tables import display_name
from .resolved import ResolvedStudy
from .settings import ALL, StudyRequest, StudySettings

_SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Picture:
    """An image as a table or list names it.

    Attributes:
        name: Its file below the folder of the images; the name in the table where there is none.
        label: Number of its class, -1 where it has none.
        group: Its lesion or patient; '' where it is not known.
        there: Whether the file exists.
        size: Its bytes.
    """

    name: str
    label: int
    group: str
    there: bool
    size: int


def show_look(request: StudyRequest) -> None:
    """Print what all studies of a request read and write, then a line for each doubt.

    Raises:
        UserError: A table can't be read, or no image is there.
    """
    from rich.table import Column

    from mmselfsup.utils.console import console_table, table_text

    rows, doubts = look_at_request(request)
    table = console_table([Column("", no_wrap=True), Column("")])
    table.show_header = False
    for name, text in rows.items():
        table.add_row(name, text)
    print(f"What the study reads and writes:\n{table_text(table)}", flush=True)
    for doubt in doubts:
        print(f"warning: {doubt}", file=sys.stderr, flush=True)


def look_at_request(request: StudyRequest) -> tuple[dict[str, str], list[str]]:
    """Return the rows of the table, and what a user should know before a study of hours."""
    first = request.studies[0]
    rows: dict[str, str] = {"data": first.data.name}
    doubts: list[str] = []
    if first.demo:
        rows["images"] = "synthetic ones, which the first stage makes"
    else:
        data_rows, doubts = look_at_data(first)
        rows.update(data_rows)
        for one in request.studies:
            if one.seed == first.seed and all(one.split(part).is_file() for part in PARTS):
                row, found = look_at_lists(one)
                rows[f"lists of fold {one.fold}"] = row
                doubts += found
    study = ResolvedStudy(first, first.data_root)
    rows.update(_trainings(study, len(request.studies)))
    needed, rows["disk"] = disk_use(study, request.studies)
    free = shutil.disk_usage(_existing(request.work_dir)).free
    rows["disk"] += f"; {free / GIB:.1f} GiB are free"
    rows["kept"] = what_stays(first.keep)
    if needed > free:
        doubts.append(f"{request.work_dir}: the disk has less room than the checkpoints will take")
    return rows, doubts


def look_at_data(settings: StudySettings) -> tuple[dict[str, str], list[str]]:
    """Look at the table of the labels and at the images that it names."""
    data, path = settings.data, ground_truth_csv(settings)
    folder, by_stem = data.find_images(settings.data_root)
    rows: dict[str, str] = {"images": f"in {folder}"}
    doubts: list[str] = []
    if path is None:
        return rows, doubts
    study = ResolvedStudy(settings, folder)
    classes = head_classes(study.finetune)
    pictures = _pictures(path, folder, by_stem, classes, metadata_csv(settings))
    there = [picture for picture in pictures if picture.there]
    if not there:
        raise UserError(f"{path}: none of its {len(pictures)} images is in {folder}")
    rows["images"] = f"{len(there)} of {len(pictures)} that {path} lists are in {folder}"
    if len(there) < len(pictures):
        names = [picture.name for picture in pictures if not picture.there]
        number = counted(len(names), "listed image is", "listed images are")
        doubts.append(f"{number} not in {folder}: {_some(names)}")
    unknown = [picture.name for picture in there if picture.label < 0]
    if unknown:
        number = counted(len(unknown), "image has", "images have")
        doubts.append(f"{path}: {number} no known class: {_some(unknown)}")
    rows["classes"], found = _classes(there, classes, data.num_folds)
    doubts += [f"{path}: {text}" for text in found]
    known = {picture.group for picture in there} - {""}
    without = sum(not picture.group for picture in there)
    if known:
        rows[data.group[1]] = f"{len(known)}; {counted(without, 'image')} without one"
    else:  # without a column of groups, their words are "image" and "images"
        rows["groups"] = "not known: each image is one of its own"
        doubts += _other_table(metadata_csv(settings), [picture.name for picture in there])
    rows["same content"], found = _copies(there, folder, settings)
    return rows, doubts + found + _batches(study, len(there))


def look_at_lists(settings: StudySettings) -> tuple[str, list[str]]:
    """Look at the lists of a fold: their lengths, and what training and test have in common."""
    folder, by_stem = settings.data.find_images(settings.data_root)
    table = metadata_csv(settings)
    parts = {part: _pictures(settings.split(part), folder, by_stem, None, table) for part in PARTS}
    row = ", ".join(f"{part} {len(pictures)}" for part, pictures in parts.items())
    doubts = []
    if ground_truth_csv(settings) is None and not any(p.group for of in parts.values() for p in of):
        doubts += _other_table(table, [picture.name for of in parts.values() for picture in of])
    names = {part: {picture.name for picture in pictures} for part, pictures in parts.items()}
    # Of the user's own lists, these need not be parts of the training list.
    apart = [(part, "test") for part in ("subtrain", "val") if names[part] - names["train"]]
    for one, other in (("train", "test"), ("subtrain", "val"), *apart):
        common = names[one] & names[other]
        shared = ({p.group for p in parts[one]} & {p.group for p in parts[other]}) - {""}
        words = ("image", "images"), settings.data.group
        for found, kind in zip((common, set() if common else shared), words, strict=True):
            if found:
                doubts.append(
                    f"fold {settings.fold}: the lists {one} and {other} have "
                    f"{counted(len(found), *kind)} in common: {_some(sorted(found))}; "
                    "results on them are too good"
                )
        in_one = set(parts[one])
        same = [
            f"{a.name} and {b.name}"
            for a, b in _same_content([*parts[one], *parts[other]], folder, settings)
            if a.name != b.name and (a in in_one) != (b in in_one)
        ]
        if same:
            doubts.append(
                f"fold {settings.fold}: {counted(len(same), 'image')} of the list {other} "
                f"{plural(len(same), 'has', 'have')} the content of one of {one}: "
                f"{_some(same)}; results on them are too good"
            )
    return row, doubts


def groups_of(path: Path | None, names: Sequence[str]) -> list[str]:
    """Return the lesion or patient of each image; '' where it is not known, or without a table."""
    if path is None:
        return [""] * len(names)
    from mmselfsup.datasets.data_sources.metadata import lesions_in  # loads torch

    return [group or "" for group in lesions_in(str(path), names)]


def _other_table(path: Path | None, names: Sequence[str]) -> list[str]:
    """Return that a table of lesions has a row of none of these images; nothing where it has."""
    if path is None or not names:
        return []
    from mmselfsup.datasets.data_sources.metadata import lesions_in  # loads torch

    if any(group is not None for group in lesions_in(str(path), names)):
        return []
    return [
        f"{path} has a row of none of the images, such as {names[0]}: is it the table of others? "
        "Without one, images of a lesion or patient may be in training and test"
    ]


def how_prepared(settings: StudySettings) -> str:
    """Return how many images of the table are there and how they were prepared, for the report.

    Returns:
        ``192 of 25331 listed images were there; colours corrected by ...``, or ``''`` for the demo
        and where no table names the images. A record of the preparation that can't be read costs
        a warning.

    Raises:
        UserError: The table can't be read.
    """
    path = ground_truth_csv(settings)
    if settings.demo or path is None:
        return ""
    from mmselfsup.isic.color_constancy import preparation_of  # numpy and Pillow: slow to load

    folder, by_stem = settings.data.find_images(settings.data_root)
    pictures = _pictures(path, folder, by_stem, None, None)
    there = sum(picture.there for picture in pictures)
    text = f"{there} of {len(pictures)} listed images were there"
    try:
        prepared = preparation_of(folder)
    except UserError as error:  # no reason to end a study: the report lacks these words
        print(f"warning: {error}", file=sys.stderr, flush=True)
        prepared = ""
    return f"{text}; {prepared}" if prepared else text


def _pictures(
    path: Path,
    folder: Path,
    by_stem: Mapping[str, str],
    classes: Sequence[str] | None,
    table: Path | None,
) -> list[Picture]:
    """Return the images of a table or list; their labels are numbers of ``classes``.

    Args:
        path: The table or list.
        folder: Folder of the images.
        by_stem: Names of the files in it by their stems, for names without an extension.
        classes: Names of the classes.
        table: The table of the lesions.

    Raises:
        UserError: It can't be read.
    """
    from mmselfsup.datasets.data_sources.lists import read_entries  # loads torch

    # By the table's own classes: it may have more (the challenge's has "none of the others").
    entries, own = read_entries(str(path))
    order = list(classes or own or ())
    number: dict[Any, int] = {n: order.index(c) for n, c in enumerate(own or ()) if c in order}
    names = [by_stem.get(image_stem(entry.name), entry.name) for entry in entries]
    sizes = [size for size, _ in file_stamps([folder / name for name in names])]
    groups = groups_of(table, [entry.name for entry in entries])
    return [
        Picture(
            name,
            number.get(entry.label, -1) if own else _one(entry.label),
            group,
            size >= 0,
            size,
        )
        for entry, name, group, size in zip(entries, names, groups, sizes, strict=True)
    ]


def _one(label: int | list[int]) -> int:
    """Return a label; -1 for several, which a study refuses when it makes its lists."""
    return label if isinstance(label, int) else -1


def _classes(
    there: Sequence[Picture], classes: Sequence[str] | None, folds: int
) -> tuple[str, list[str]]:
    """Return the classes with their images, and which are too few for all folds."""
    counts: dict[int, int] = defaultdict(int)
    units: dict[int, set[str]] = defaultdict(set)
    for picture in there:
        counts[picture.label] += 1
        units[picture.label].add(picture.group or picture.name)
    numbers = range(len(classes)) if classes else sorted(label for label in counts if label >= 0)
    names = {number: classes[number] if classes else str(number) for number in numbers}
    rare = [names[n] for n in numbers if len(units[n]) < folds]
    doubts = []
    if rare:
        doubts.append(
            f"{counted(len(rare), 'class has', 'classes have')} fewer independent images than the "
            f"{folds} folds: "
            f"{_some(rare)}; some tests have none of them"
        )
    beyond = sorted(label for label in counts if label >= 0 and label not in names)
    if beyond:
        doubts.append(f"the labels {_some(map(str, beyond))} are none of the {len(names)} classes")
    return ", ".join(f"{names[n]} {counts[n]}" for n in numbers), doubts


def _batches(study: ResolvedStudy, images: int) -> list[str]:
    """Return the pre-trainings whose batch the images that they see don't fill."""
    folds = study.settings.data.num_folds
    on_all = study.settings.ssl_on == ALL
    part = images if on_all else images * (folds - 1) // folds
    there = f"{images} images are there" if on_all else f"about {part} images train in a fold"
    doubts = []
    for task in study.pretrainings:
        data = task.cfg.data
        given = {**data, **data.get("train_dataloader", {})}
        batch = given.get("samples_per_gpu", 0)
        if given.get("drop_last") and part < batch and not task.cfg.get("auto_settings"):
            doubts.append(
                f"{display_name(task.name)}: {there}, which can't fill one batch of {batch}: "
                f"add auto_settings=True, or data.samples_per_gpu={max(part // 2, 1)}"
            )
    return doubts


def _copies(
    there: Sequence[Picture], folder: Path, settings: StudySettings
) -> tuple[str, list[str]]:
    """Return how many images are copies of others, and which of them matter."""
    pairs = _same_content(there, folder, settings)
    doubts = []
    labels = [f"{a.name} and {b.name}" for a, b in pairs if a.label != b.label]
    if labels:
        number = counted(len(labels), "image is", "images are")
        doubts.append(f"{number} there twice with two labels: {_some(labels)}")
    apart = [f"{a.name} and {b.name}" for a, b in pairs if not a.group or a.group != b.group]
    option = settings.data.duplicates_option
    if apart and option and option not in settings.splits:
        doubts.append(
            f"{counted(len(apart), 'image has', 'images have')} the content of another "
            f"{settings.data.group[0]}'s: "
            f"{_some(apart)}; SPLITS={option} keeps them in one fold"
        )
    return (counted(len(pairs), "image") if pairs else "no two images"), doubts


def _same_content(
    pictures: Sequence[Picture], folder: Path, settings: StudySettings
) -> list[tuple[Picture, Picture]]:
    """Return each image that has the content of one before it, after that one."""
    by_size: dict[int, list[Picture]] = defaultdict(list)
    for picture in pictures:
        if picture.there:
            by_size[picture.size].append(picture)
    some = [picture for same in by_size.values() if len(same) > 1 for picture in same]
    index = ImageDigests(settings.image_index)
    digests = index.digests(folder, [picture.name for picture in some])
    first: dict[str, Picture] = {}
    pairs = []
    for picture, digest in zip(some, digests, strict=True):
        before = first.setdefault(digest, picture) if digest else picture
        if before is not picture:
            pairs.append((before, picture))
    return pairs


def _trainings(study: ResolvedStudy, studies: int) -> dict[str, str]:
    """Return the trainings of a study in words."""
    tasks = [
        f"{display_name(task.name)} ({counted(task.epochs, 'epoch')})"
        for task in study.pretrainings
    ]
    arms, lrs = study.settings.arms, study.lrs
    search = f"{len(arms) * len(lrs)} of the learning-rate search and " if len(lrs) > 1 else ""
    times = f", in each of {studies} studies" if studies > 1 else ""
    epochs = counted(study.epochs, "epoch")
    return {
        "pre-trainings": (", ".join(tasks) or "none") + times,
        "fine-tunings": f"{search}{len(arms)} final ones of {epochs}{times}",
    }


def _existing(path: Path) -> Path:
    """Return a folder, or the one above it that exists."""
    full = path.absolute()
    return next(one for one in (full, *full.parents) if one.exists())


def _some(names: Iterable[str]) -> str:
    """Return the first few of names."""
    every = list(names)
    return ", ".join(map(os.fspath, every[:_SHOWN])) + (" ..." if len(every) > _SHOWN else "")
