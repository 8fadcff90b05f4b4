"""The values ``'auto'`` of a config: where they are, and the values that replace them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmcv import Config

from mmselfsup.utils.errors import UserError

from .image_facts import Facts, class_weights
from .inspect import find_dataset, reads_labels
from .schema import AUTO

_MODEL_KEYS = ("num_classes", "class_weight")


def wanted_values(cfg: Config) -> set[str]:
    """Return which values of a config follow from the images, as ``image_facts.measure`` takes it.

    ``model`` stands for any of a model, ``num_classes`` for this one beside it, ``statistics`` for
    mean and deviation.
    """
    keys = {key for _, key in _autos(cfg.get("model") or {})}
    wanted = ({"model"} if keys else set()) | (keys & {"num_classes"})
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
        if key in _MODEL_KEYS and isinstance(value, str) and value == AUTO:
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


def fill(cfg: Config, facts: Facts) -> None:
    """Replace every ``'auto'`` of a config by its value.

    Raises:
        UserError: The images have more classes than a written ``num_classes``.
    """
    for node, key in list(_autos(cfg.get("model") or {})):
        if key == "num_classes":
            node[key] = facts.num_classes
        else:
            written = node.get("num_classes")  # 'auto', if not replaced yet
            node[key] = class_weights(facts, written if isinstance(written, int) else None)
    _set_classes(cfg, facts.classes)
    if facts.mean is not None and facts.std is not None:
        _set_statistics(cfg, facts.mean, facts.std)


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


def _take(node: Any, known: Any) -> None:
    """Set each ``'auto'`` below a part of a model to the value at the same place of another."""
    pairs = _autos_beside(node, known)
    for part, key, value in list(pairs):
        part[key] = value


def _autos_beside(node: Any, known: Any) -> Iterator[tuple[Any, str, Any]]:
    if isinstance(node, Mapping) and isinstance(known, Mapping):
        for key, value in node.items():
            if key in _MODEL_KEYS and value == AUTO:
                if key in known:
                    yield node, key, known[key]
            else:
                yield from _autos_beside(value, known.get(key))
    elif isinstance(node, list | tuple) and isinstance(known, list | tuple):
        for item, other in zip(node, known, strict=False):
            yield from _autos_beside(item, other)
