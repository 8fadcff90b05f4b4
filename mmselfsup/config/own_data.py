"""A user's own images in any config: data sources, and the values that follow from the images.

``own_data`` describes the images once; ``'auto'`` stands for a number of classes, class weights, or
mean and deviation. ``resolve`` replaces both by plain values, before anything is built from the
config: what is written to the work dir and into checkpoints needs neither the description nor the
images.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config, ConfigDict

from mmselfsup.core.checkpoint import load_state, meta_of
from mmselfsup.datasets import build_datasource
from mmselfsup.datasets.data_sources.lists import is_csv
from mmselfsup.datasets.statistics import read_statistics, source_statistics
from mmselfsup.utils import dist
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text

from .inspect import find_dataset, reads_labels
from .schema import AUTO
from .sections import OWN_DATA
from .text import read_config_text

STATISTICS = "statistics.txt"
_SHOWN = 12  # classes in a line of the log
_FOLDS = 5  # of which one is the validation, where nothing else is said


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


def resolve(cfg: Config, known: Mapping[str, Any] | None = None, folder: str | None = None) -> None:
    """Put the user's images and all values that follow from them into a config.

    Nothing changes in a config without ``own_data`` and without ``'auto'``. Under a launcher, all
    ranks call it.

    Args:
        cfg: The config, which is changed.
        known: The config of a trained model, whose classes and statistics are taken; None: those
            of ``data.train``.
        folder: The work dir, where measured statistics are kept; None keeps them nowhere.

    Raises:
        UserError: The images are not described, can't be found, or lack labels.
    """
    own = cfg._cfg_dict.pop("own_data", None)
    described = None if own is None else {k: v for k, v in own.items() if v is not None}
    only_statistics = described is not None and set(described) == {"statistics"}
    images = bool(described and (described.get("ann_file") or described.get("data_prefix")))
    if described and images:
        _check_place(cfg, described)
        set_sources(cfg, described)
    wanted = _wanted(cfg)
    if known is not None:
        take_from(cfg, known, wanted)
        if described is not None and not images and not only_statistics:
            _take_sources(cfg, known)
        return
    if described is not None and not images and not only_statistics:
        raise UserError(
            f"{cfg.filename}: describe your images: own_data.ann_file=LIST (CSV or text) and "
            "own_data.data_prefix=FOLDER, or the folder alone, with one folder for each class"
        )
    if wanted:
        fill(cfg, dist.on_main(lambda: measure(cfg, wanted, described or {}, folder)))


def _check_place(cfg: Config, own: Mapping[str, Any]) -> None:
    """Check that the folder of the images is named.

    Raises:
        UserError: A list is described without it.
    """
    listed = str(own.get("ann_file") or "")
    if own.get("data_prefix") is None and "type" not in own and not listed.endswith(".npz"):
        raise UserError(
            f"{cfg.filename}: own_data.ann_file={listed} lists images: name their folder by "
            "own_data.data_prefix=FOLDER"
        )


def config_in(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config that a checkpoint holds, as plain values; empty where it holds none."""
    return read_config_text(str(meta_of(state).get("config") or ""))


def resolve_for(configs: Sequence[Config], checkpoint: str | None) -> None:
    """Resolve the configs of a tool that reads a checkpoint, or None for a network without one.

    Classes and statistics are those of the checkpoint where its config has them, otherwise those of
    each config's ``data.train``.

    Raises:
        UserError: See ``resolve``; the checkpoint can't be read.
    """
    open_ones = [cfg for cfg in configs if cfg.get("own_data") is not None or _wanted(cfg)]
    if not open_ones:
        return
    known = {} if checkpoint is None else config_in(load_state(checkpoint, mmap=True))
    has_all = isinstance(known.get("img_norm_cfg"), Mapping)
    for cfg in open_ones:
        resolve(cfg, known if has_all else None)


def set_sources(cfg: Config, own: Mapping[str, Any]) -> None:
    """Replace the data sources of a config by the images that ``own_data`` describes.

    Without images of its own, ``val`` is a fold of the training list where ``folds`` is given or
    labels are read, and ``test`` is what ``val`` is.
    """
    shared = {key: value for key, value in own.items() if key not in OWN_DATA}
    if own.get("test") is not None and cfg.data.get("test") is None:
        cfg.data.test = copy.deepcopy(cfg.data.get("val") or cfg.data.train)
    for part in ("train", "val", "test"):
        if cfg.data.get(part) is None:
            continue
        node = find_dataset(cfg, part)[1]
        labelled = reads_labels(cfg, node)
        given = own.get("test") or own.get("val") if part == "test" else own.get(part)
        source = {**shared, **{k: v for k, v in (given or {}).items() if v is not None}}
        source = _typed(source, labelled)
        if source["type"] == "MedMNIST" and given is None:  # the file has its own parts
            node["data_source"] = ConfigDict({"subset": part, **source})
            continue
        folds = own.get("folds") or (_FOLDS if labelled or "fold" in own else None)
        if given is None and own.get("val") is None and folds is not None:
            source["split"] = {
                "part": "train" if part == "train" else "val",
                "folds": folds,
                "fold": own.get("fold", 0),
                "seed": own.get("split_seed", 0),
            }
        node["data_source"] = ConfigDict(source)


def _typed(source: dict[str, Any], labelled: bool) -> dict[str, Any]:
    """Return the config of a data source with its type: a list, an ``.npz`` file, or folders."""
    if "type" in source:
        return source
    ann_file, prefix = source.get("ann_file"), source.get("data_prefix")
    if str(ann_file or prefix).lower().endswith(".npz"):
        return {"type": "MedMNIST", **source}
    if ann_file is None and labelled and isinstance(prefix, str):
        return {"type": "ImageNet", **source}
    return {"type": "ImageList", **source}


def _wanted(cfg: Config) -> set[str]:
    """Return which values of a config follow from the images: ``model``, ``statistics``."""
    wanted = {"model"} if any(True for _ in _autos(cfg.get("model") or {})) else set()
    if cfg.get("img_norm_cfg") == AUTO or any(
        _is_auto(step) for step in _normalizations(_pipelines(cfg))
    ):
        wanted.add("statistics")
    if isinstance(cfg.get("img_norm_cfg"), Mapping) and _is_auto(cfg.img_norm_cfg):
        wanted.add("statistics")
    return wanted


def _is_auto(step: Mapping[str, Any]) -> bool:
    return AUTO in (step.get("mean"), step.get("std"))


def _autos(node: Any) -> Iterator[tuple[Any, str]]:
    """Yield each dict of a model's config with each of its keys whose value is ``'auto'``."""
    items = node.items() if isinstance(node, Mapping) else ()
    for key, value in items:
        if key in ("num_classes", "class_weight") and isinstance(value, str) and value == AUTO:
            yield node, key
        else:
            yield from _autos(value)
    for item in node if isinstance(node, list | tuple) else ():
        yield from _autos(item)


def _pipelines(cfg: Config) -> list[Any]:
    """Return the parts of a config that have pipelines."""
    return [cfg.get("data") or {}, cfg.get("test_pipeline") or []]


def _normalizations(node: Any) -> Iterator[Any]:
    """Yield the config of every ``Normalize`` of the data sets."""
    if isinstance(node, Mapping):
        if node.get("type") == "Normalize":
            yield node
        for value in node.values():
            yield from _normalizations(value)
    for item in node if isinstance(node, list | tuple) else ():
        yield from _normalizations(item)


def measure(cfg: Config, wanted: set[str], own: Mapping[str, Any], folder: str | None) -> Facts:
    """Return what follows from the images of ``data.train``.

    Args:
        cfg: The config, with its data sources.
        wanted: ``model`` for the classes, ``statistics`` for mean and deviation.
        own: The description of the images.
        folder: See ``resolve``.

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
            if any(key == "num_classes" for _, key in _autos(cfg.get("model") or {})):
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
    names = "\n".join(source.image_names() or [str(len(source))])
    key = f"# {size} {hashlib.sha256(names.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
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


def fill(cfg: Config, facts: Facts) -> None:
    """Replace every ``'auto'`` of a config by its value."""
    for node, key in list(_autos(cfg.get("model") or {})):
        node[key] = facts.num_classes if key == "num_classes" else class_weights(facts)
    _set_classes(cfg, facts.classes)
    if facts.mean is not None and facts.std is not None:
        _set_statistics(cfg, facts.mean, facts.std)


def class_weights(facts: Facts) -> list[float]:
    """Return the weight of each class.

    One over the root of its images, mean 1; where an image may be of several classes, the root of
    the images that are not of it over those that are.
    """
    counts = np.maximum(np.asarray(facts.counts, dtype=np.float64), 1.0)
    if facts.several:
        weights = np.sqrt(np.maximum(facts.num_images - counts, 1.0) / counts)
    else:
        weights = 1.0 / np.sqrt(counts)
        weights /= weights.mean()
    return [round(float(weight), 4) for weight in weights]


def _set_classes(cfg: Config, classes: Sequence[str] | None) -> None:
    """Name the classes in every data source that reads labels, in their order."""
    for part in ("train", "val", "test") if classes else ():
        if cfg.data.get(part) is not None:
            node = find_dataset(cfg, part)[1]
            if reads_labels(cfg, node):
                node["data_source"].setdefault("classes", list(classes or ()))


def _set_statistics(cfg: Config, mean: Sequence[float], std: Sequence[float]) -> None:
    """Set mean and deviation in every ``Normalize`` that asks, in all where the config does."""
    every = cfg.get("img_norm_cfg") == AUTO
    for step in list(_normalizations(_pipelines(cfg))):
        if every or _is_auto(step):
            step.update(mean=list(mean), std=list(std))
    cfg.img_norm_cfg = {"mean": list(mean), "std": list(std)}


def take_from(cfg: Config, known: Mapping[str, Any], wanted: set[str]) -> None:
    """Replace every ``'auto'`` by the value in the config of a trained model.

    Raises:
        UserError: That config has none.
    """
    if "model" in wanted:
        _take(cfg.model, known.get("model") or {})
        train = (known.get("data") or {}).get("train") or {}
        while "data_source" not in train and isinstance(train.get("dataset"), Mapping):
            train = train["dataset"]
        _set_classes(cfg, (train.get("data_source") or {}).get("classes"))
    if "statistics" in wanted:
        norm = known.get("img_norm_cfg")
        if not isinstance(norm, Mapping) or _is_auto(norm):
            raise UserError("the checkpoint's config has no img_norm_cfg: give one in the config")
        _set_statistics(cfg, norm["mean"], norm["std"])
    left = [key for _, key in _autos(cfg.get("model") or {})]
    if left:
        raise UserError(f"model: {left[0]}='auto', and the checkpoint's config does not tell it")


def _take_sources(cfg: Config, known: Mapping[str, Any]) -> None:
    """Take the data sources of a trained model, where the config describes no images."""
    for part in ("train", "val", "test"):
        theirs = (known.get("data") or {}).get(part)
        if cfg.data.get(part) is not None and theirs is not None:
            while "data_source" not in theirs and isinstance(theirs.get("dataset"), Mapping):
                theirs = theirs["dataset"]
            source = theirs.get("data_source")
            if source is not None:
                find_dataset(cfg, part)[1]["data_source"] = ConfigDict(source)


def _take(node: Any, known: Any) -> None:
    """Set each ``'auto'`` below a part of a model to the value at the same place of another."""
    pairs = _autos_beside(node, known)
    for part, key, value in list(pairs):
        part[key] = value


def _autos_beside(node: Any, known: Any) -> Iterator[tuple[Any, str, Any]]:
    if isinstance(node, Mapping) and isinstance(known, Mapping):
        for key, value in node.items():
            if key in ("num_classes", "class_weight") and value == AUTO:
                if key in known:
                    yield node, key, known[key]
            else:
                yield from _autos_beside(value, known.get(key))
    elif isinstance(node, list | tuple) and isinstance(known, list | tuple):
        for item, other in zip(node, known, strict=False):
            yield from _autos_beside(item, other)
