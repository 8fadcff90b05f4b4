"""What follows from a user's images: classes and their weights, mean and deviation."""

from __future__ import annotations

import copy
import logging
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config

from mmselfsup.datasets import build_datasource
from mmselfsup.datasets.data_sources.lists import is_csv
from mmselfsup.datasets.statistics import read_statistics, source_statistics, statistics_key
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text

from .inspect import find_dataset

STATISTICS = "statistics.txt"
_SHOWN = 12  # classes in a line of the log


@dataclass(frozen=True)
class Facts:
    """What follows from the images.

    Attributes:
        num_classes: Number of classes; None for images without labels.
        classes: Their names; None where labels are numbers.
        counts: Images of each class.
        mean, std: Three numbers each, 0..1; None where nothing asks for them.
        num_images: Number of images.
        several: Whether an image may be of several classes.
    """

    num_classes: int | None = None
    classes: list[str] | None = None
    counts: tuple[int, ...] = ()
    mean: list[float] | None = None
    std: list[float] | None = None
    num_images: int = 0
    several: bool = False


def measure(cfg: Config, wanted: set[str], own: Mapping[str, Any], folder: str | None) -> Facts:
    """Return what follows from the images of ``data.train``.

    Args:
        cfg: The config, with its data sources.
        wanted: ``model`` for the classes, ``num_classes`` where their number is asked for, too,
            ``statistics`` for mean and deviation.
        own: The description of the images.
        folder: The work dir, where measured statistics are kept; None keeps them nowhere.

    Raises:
        UserError: The images can't be found, or a label is missing.
    """
    if wanted == {"statistics"} and own.get("statistics"):  # no image is needed
        mean, std = read_statistics(own["statistics"])
        return Facts(mean=mean, std=std)
    node = find_dataset(cfg, "train")[1]
    with config_errors("data.train"):
        config = {k: v for k, v in node["data_source"].items() if k != "cache"}
        source = build_datasource(copy.deepcopy(config))
        if "model" in wanted:
            whole = source
            if config.pop("split", None) is not None:  # the validation needs labels too
                whole = build_datasource(config)
            check_labelled(whole)
            if "num_classes" in wanted:
                check_first_class(whole)
    facts: dict[str, Any] = {"num_images": len(source)}
    if "model" in wanted:
        facts |= class_facts(source)
    if "statistics" in wanted:
        facts["mean"], facts["std"] = _statistics(cfg, source, own, folder)
    found = Facts(**facts)
    _report(found)
    return found


def check_labelled(source: Any) -> None:
    """Check that every image has a label.

    Raises:
        UserError: One has none; the message names its line.
    """
    labels = np.asarray(source.get_gt_labels())
    if labels.ndim == 1 and bool((labels < 0).any()):
        first = int((labels < 0).argmax())
        line = source.data_infos[first].get("line")
        where = f"{source.ann_file}, line {line}: " if line else ""
        raise UserError(
            f"{where}{source.path(first)} has no label ({int((labels < 0).sum())} of {len(labels)} "
            "images have none): write one, or take the image off the list; if the column of labels "
            "has another name: own_data.label_column=NAME"
        )


def check_first_class(source: Any) -> None:
    """Check that classes without names are numbered from 0: the first would have no image.

    Raises:
        UserError: No label is 0; the message has the line to write.
    """
    labels = np.asarray(source.get_gt_labels())
    if source.CLASSES is not None or labels.ndim != 1 or not len(labels) or labels.min() < 1:
        return
    numbers, path = np.unique(labels).tolist(), str(source.ann_file or source.data_prefix)
    if source.ann_file is None:
        todo = "number them from 0"
    elif is_csv(path):
        todo = f"name the classes: {_named(numbers)}"
    else:
        todo = f"number them from 0: {_renumbered(path, numbers[0])}"
    raise UserError(
        f"{path}: the labels are {numbers[0]} to {numbers[-1]} and none is 0, so that "
        f"num_classes='auto' would count a class 0 without an image; {todo}; if it is a class, set "
        f"model.head.num_classes={numbers[-1] + 1}"
    )


def _named(numbers: Sequence[int]) -> str:
    """Return the option, quoted for a shell, that makes numbers the names of classes."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) > _SHOWN and len(numbers) == last - first + 1:
        names = f"""$(python -c 'print([str(n) for n in range({first}, {last + 1})])')"""
    else:
        names = f"[{','.join(repr(str(number)) for number in numbers)}]"
    return f'own_data.classes="{names}"'


def _renumbered(path: str, first: int) -> str:
    """Return the command, for a shell, that writes a text list anew with labels from 0.

    Blanks inside of names and empty lines stay; a file that there is already is kept.
    """
    code = (
        'import re, sys; text = open(sys.argv[1], encoding="utf-8-sig").read(); '
        'open("from0.txt", "x", encoding="utf-8").write(re.sub('
        f'r"(?m)(?<=\\s)[+]?[0-9]+(?=\\s*$)", lambda label: str(int(label[0]) - {first}), text))'
    )
    return f"python -c '{code}' {shlex.quote(path)}, and own_data.ann_file=from0.txt"


def class_facts(source: Any) -> dict[str, Any]:
    """Return the classes of a data source, as keywords of ``Facts``.

    Raises:
        UserError: There is one class only.
    """
    labels = np.asarray(source.get_gt_labels())
    several = labels.ndim == 2
    names = None if source.CLASSES is None else [str(name) for name in source.CLASSES]
    number = len(names) if names else labels.shape[1] if several else int(labels.max()) + 1
    counts = (labels > 0).sum(axis=0) if several else np.bincount(labels, minlength=number)
    if number < 2 and not several:
        raise UserError(
            f"data.train: all {len(labels)} images are of one class"
            f"{f' ({names[0]})' if names else ''}: a classifier needs two"
        )
    return {
        "num_classes": number,
        "classes": names,
        "counts": tuple(int(count) for count in counts),
        "several": several,
    }


def class_weights(facts: Facts, num_classes: int | None = None) -> list[float]:
    """Return the weight of each class.

    One over the root of its images, mean 1 over the classes that have images; where an image may be
    of several classes, the root of the images that are not of it over those that are. A class
    without images has the weight 1: no image could tell another one.

    Args:
        facts: What follows from the images.
        num_classes: Number of classes of the head, where the config has written it: those behind
            the classes of the images have no image. None: those of the images.

    Raises:
        UserError: The images have more classes.
    """
    more = 0 if num_classes is None else num_classes - len(facts.counts)
    if more < 0:
        raise UserError(
            f"model: num_classes={num_classes} is written, but data.train has "
            f"{len(facts.counts)} classes, and class_weight='auto' weights each: leave it at "
            "num_classes='auto', or correct the labels"
        )
    counts = np.asarray([*facts.counts, *[0] * more], dtype=np.float64)  # [C]
    there, weights = counts > 0, np.ones(len(counts))
    if facts.several:
        absent = np.maximum(facts.num_images - counts[there], 1.0)
        weights[there] = np.sqrt(absent / counts[there])
    elif there.any():
        rare = 1.0 / np.sqrt(counts[there])
        weights[there] = rare / rare.mean()
    if not there.all():
        logging.getLogger("mmselfsup").warning(
            "class_weight='auto': data.train has no image of %s, whose weight is 1",
            _listed_classes(facts, np.flatnonzero(~there).tolist()),
        )
    return [round(float(weight), 4) for weight in weights]


def _listed_classes(facts: Facts, numbers: Sequence[int]) -> str:
    """Return the first names of classes, or their numbers where they have no names."""
    known = facts.classes or []
    names = [known[n] if n < len(known) else str(n) for n in numbers[:_SHOWN]]
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"the class(es) {', '.join(names)}{more}"


def _statistics(
    cfg: Config, source: Any, own: Mapping[str, Any], folder: str | None
) -> tuple[list[float], list[float]]:
    """Return mean and deviation: of a file beside the images, kept ones, or measured ones."""
    logger = logging.getLogger("mmselfsup")
    beside = [os.path.dirname(source.ann_file or ""), *source.folders]
    files = [os.path.join(place, STATISTICS) for place in beside if place]
    given = own.get("statistics") or next((path for path in files if os.path.isfile(path)), None)
    if given is not None:
        logger.info("mean and deviation of the images: from %s", given)
        return read_statistics(given)
    size = _side(cfg)
    key = statistics_key(source, size)
    kept = None if folder is None else Path(folder, STATISTICS)
    if kept is not None and kept.is_file() and key in kept.read_text(encoding="utf-8"):
        return read_statistics(kept)
    found = source_statistics(source, None if size is None else [size])
    mean, std = ([round(value, 4) for value in values] for values in (found.mean, found.std))
    if min(std) <= 0:
        raise UserError(
            f"{source.data_prefix}: all images are of one colour, so that they can't be "
            "normalised: look at them, and at value_range"
        )
    if kept is not None:
        head = f"# {found.num_images} images, {found.num_pixels} pixels"
        atomic_write_text(kept, f"{head}\n{key}\n{found.config_line()}\n")
    return mean, std


def _side(cfg: Config) -> int | None:
    """Return the side of the images in a training, in pixels; None where no step says it."""
    node = find_dataset(cfg, "train")[1]
    steps = node.get("pipeline") or next(iter(node.get("pipelines") or ()), ())
    sizes = (step.get("size") for step in steps if "size" in step)
    size = next(sizes, None)
    if isinstance(size, list | tuple):
        size = min(size, default=None)
    return size if isinstance(size, int) else None


def _report(facts: Facts) -> None:
    """Log what was found."""
    parts = [f"{facts.num_images} training images"]
    if facts.num_classes is not None:
        names = facts.classes or [str(number) for number in range(facts.num_classes)]
        shown = [f"{n} {c}" for n, c in zip(names, facts.counts, strict=True)]
        more = ["..."] if len(shown) > _SHOWN else []
        parts.append(f"{facts.num_classes} classes ({', '.join(shown[:_SHOWN] + more)})")
    if facts.mean is not None:
        parts.append(f"mean {facts.mean}, deviation {facts.std}")
    logging.getLogger("mmselfsup").info("own images: %s", ", ".join(parts))
