"""How start weights want their images: normalisation, interpolation and size.

A network that was trained on images of one normalisation sees others as another distribution. timm
and torchvision know the input of their weights; what a pipeline leaves open is filled with it, and
what it sets is compared.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv import Config

_CROPS = ("RandomResizedCrop", "Resize")
# Pillow's numbers, which torchvision's transforms take; timm's "random" is one of the last two.
_INTERPOLATION = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
# Beginnings of ``load_from`` and of the type of a backbone.
_LIBRARIES = ("timm", "torchvision")


@dataclass(frozen=True)
class Input:
    """The input of some weights.

    Attributes:
        name: The model, such as ``timm.resnet18``.
        mean: Mean of each channel, in 0..1.
        std: Standard deviation of each channel.
        size: Side of the images in pixels.
        short: Shorter side to which an image was resized, before its centre was cut out.
        interpolation: How they were resized, such as ``bicubic``.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    interpolation: str
    short: int


def apply_start_input(cfg: Config, logger: logging.Logger) -> None:
    """Fill what the pipelines leave open with the input of the start weights, and log it.

    ``Normalize`` without ``mean`` and ``std``, and crops and ``Resize`` without ``size`` or
    ``interpolation``, get those of the weights; a ``Resize`` before a crop keeps the shape of the
    image, any other one gives the square that a batch needs. With ``input_of_weights=True``
    normalisation and interpolation are replaced where they are set, too. A normalisation that is
    set and differs is a warning.

    Args:
        cfg: The config of a training, changed in place.
        logger: The logger.
    """
    wanted = input_of_weights(cfg)
    if wanted is None:
        return
    replace, taken, other = bool(cfg.get("input_of_weights")), set(), []
    for path, transform, later in _transforms(cfg.get("data"), "data"):
        kind = transform["type"]
        if kind == "Normalize":
            given = transform.get("mean"), transform.get("std")
            if given == (None, None) or replace:
                transform.update(mean=list(wanted.mean), std=list(wanted.std))
                taken.add("mean and std")
            elif not _equal(given, wanted):
                other.append(path)
        elif kind in _CROPS:
            mode = _INTERPOLATION.get(wanted.interpolation, 3)
            values: dict[str, Any] = {"interpolation": mode, "size": (wanted.size, wanted.size)}
            if kind == "Resize":
                values["size"] = _resized(wanted, later)
            for key, value in values.items():
                if transform.get(key) is None or (replace and key == "interpolation"):
                    transform[key] = value
                    taken.add(key)
    if replace and cfg.get("img_norm_cfg"):
        cfg.img_norm_cfg = {"mean": list(wanted.mean), "std": list(wanted.std)}
    logger.info(
        "images of the start weights (%s): mean %s, std %s, %d pixels, %s; taken for the "
        "pipelines: %s",
        wanted.name,
        list(wanted.mean),
        list(wanted.std),
        wanted.size,
        wanted.interpolation,
        ", ".join(sorted(taken)) or "nothing, they set all of it",
    )
    if other:
        logger.warning(
            "%s: mean and std are not those of the start weights (%s); input_of_weights=True takes "
            "these", other[0], wanted.name,
        )  # fmt: skip


def input_of_weights(cfg: Config) -> Input | None:
    """Return the input of the start weights of a config, None where no library knows it."""
    library, name = _weights_name(cfg)
    if library == "timm":
        return _of_timm(name)
    return _of_torchvision(name) if library == "torchvision" else None


def _weights_name(cfg: Config) -> tuple[str, str]:
    """Return the library and the name of the start weights' model, empty without one."""
    load_from = str(cfg.get("load_from") or "")
    library, separator, name = load_from.partition("://")
    if separator and library in _LIBRARIES:
        return library, name
    backbone: Mapping[str, Any] = (cfg.get("model") or {}).get("backbone") or {}
    if not (load_from or backbone.get("pretrained") or backbone.get("checkpoint_path")):
        return "", ""
    kind = str(backbone.get("type"))
    if kind.endswith("TIMMBackbone"):
        return "timm", str(backbone.get("model_name"))
    library, _, name = kind.partition(".")
    return (library, name) if library in _LIBRARIES else ("", "")


def _of_timm(name: str) -> Input | None:
    """Return the input of timm's weights of a model, None where timm doesn't know the name."""
    from timm.models import get_pretrained_cfg

    try:
        facts: Any = get_pretrained_cfg(name)
    except RuntimeError:  # an unknown tag: what loads the weights says so
        return None
    if facts is None:
        return None
    mean, std, size = tuple(facts.mean), tuple(facts.std), int(facts.input_size[-1])
    short = int(size / (facts.crop_pct or 1))
    return Input(f"timm.{name}", mean, std, size, str(facts.interpolation), short)


def _of_torchvision(name: str) -> Input | None:
    """Return the input of torchvision's default weights of a model."""
    from torchvision.models import get_model_weights

    try:
        facts: Any = get_model_weights(name).DEFAULT.transforms()
    except (AttributeError, ValueError):
        return None
    mean, std, size = tuple(facts.mean), tuple(facts.std), int(facts.crop_size[0])
    how, short = str(facts.interpolation.value), int(facts.resize_size[0])
    return Input(f"torchvision.{name}", mean, std, size, how, short)


def _resized(wanted: Input, later: Sequence[Any]) -> int | tuple[int, int]:
    """Return the size of a ``Resize``: the shorter side before a crop, else height and width.

    Args:
        wanted: The input of the weights.
        later: The transforms behind it.
    """
    steps = (step for step in later if isinstance(step, Mapping))
    crop = next((step for step in steps if "Crop" in str(step.get("type"))), None)
    if crop is None:
        return wanted.size, wanted.size
    size = crop.get("size") or wanted.size
    side = size if isinstance(size, int) else max(size)
    return round(side * wanted.short / wanted.size)


def _transforms(
    part: Any, path: str, later: Sequence[Any] = ()
) -> Iterator[tuple[str, dict[str, Any], Sequence[Any]]]:
    """Yield place and config of every transform in a part of a config, and those behind it."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str) and part["type"] in ("Normalize", *_CROPS):
            yield path, part, later
        for key, value in part.items():
            yield from _transforms(value, f"{path}.{key}")
    elif isinstance(part, list | tuple):
        for number, value in enumerate(part):
            yield from _transforms(value, f"{path}.{number}", part[number + 1 :])


def _equal(given: tuple[Any, Any], wanted: Input) -> bool:
    """Return whether mean and std are those of the weights, up to the third digit."""
    if None in given:
        return False
    mine = [np.broadcast_to(np.asarray(value, float), len(wanted.mean)) for value in given]
    return bool(np.allclose(mine, [wanted.mean, wanted.std], atol=2e-3))
