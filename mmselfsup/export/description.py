"""What an exported file says about itself: preprocessing, classes, origin.

Letters: N images, H, W their size, K classes, D width of a feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mmselfsup.datasets.pipelines.formatting import equally_many
from mmselfsup.utils.errors import UserError


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of the network.

    Attributes:
        mean: Mean of each channel, of values in 0..1; it is subtracted.
        std: What the difference is divided by, for each channel.
        size: Height and width of the input in pixels.
        resize: Side that the shorter side of an image is resized to, or height and width; None: no
            resizing.
        transforms: The transforms of the config, in its format.
        interpolation: How it is resized, by the names of Pillow in small letters.
        channel_order: ``rgb`` or ``bgr``.
        crop: Height and width of the centre that is cut out; None: nothing is.
        resize_settings: Further settings of ``Resize``, such as ``max_size``.
        value_range: Which values of files with more than 8 bits become 0 and 255; None: those of
            the type of the file.
    """

    mean: list[float]
    std: list[float]
    size: list[int]
    resize: int | list[int] | None
    transforms: list[dict[str, Any]]
    interpolation: str = "bilinear"
    channel_order: str = "rgb"
    crop: list[int] | None = None
    resize_settings: dict[str, Any] = field(default_factory=dict)
    value_range: list[float] | None = None


#: The numbers that configs may write for Pillow's ways to resize, and ``transformers`` does.
INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")


def preprocessing_of(
    pipeline: Sequence[Mapping[str, Any]],
    size: Sequence[int],
    norm: Mapping[str, Any] | None,
    channels: int = 3,
    reading: Mapping[str, Any] = MappingProxyType({}),
) -> Preprocessing:
    """Return the facts of a pipeline without chance.

    Args:
        pipeline: Configs of its transforms.
        size: Height and width of what comes out of it.
        norm: Mean and standard deviation where the loader normalises (``prefetch``).
        channels: Of what comes out, for one mean and deviation for all.
        reading: How the data source reads files: ``channel_order``, ``value_range``.

    Raises:
        UserError: Nothing normalises.
    """
    steps = [dict(step) for step in pipeline]
    norm = next((step for step in steps if step["type"] == "Normalize"), norm)
    if norm is None or "mean" not in norm or "std" not in norm:
        raise UserError("the config's test pipeline has no Normalize: mean and std are unknown")
    mean, std = equally_many(norm["mean"], norm["std"])
    repeats = channels if len(mean) == 1 else 1
    resizing: dict[str, Any] = next((step for step in steps if step["type"] == "Resize"), {})
    resize, how = resizing.get("size"), resizing.get("interpolation", "bilinear")
    if isinstance(resize, list | tuple):  # one side alone is the shorter one, as in torchvision
        resize = list(resize) if len(resize) > 1 else resize[0]
    crop = next((step["size"] for step in steps if step["type"] == "CenterCrop"), None)
    if crop is not None:  # one side is that of a square, as in torchvision
        sides = list(crop) if isinstance(crop, list | tuple) else [crop]
        crop = [int(sides[0]), int(sides[-1])]
    values = reading.get("value_range")
    return Preprocessing(
        mean=[float(value) for value in mean] * repeats,
        std=[float(value) for value in std] * repeats,
        size=[int(side) for side in size],
        resize=resize,
        transforms=steps,
        interpolation=INTERPOLATIONS[how] if isinstance(how, int) else str(how),
        channel_order=str(reading.get("channel_order", "rgb")),
        crop=crop,
        resize_settings={key: value for key, value in resizing.items() if key not in _RESIZE},
        value_range=None if values is None else [float(value) for value in values],
    )


#: The transforms of libraries that prepare images themselves, in their order.
_PREPARED = ("Resize", "CenterCrop", "ToTensor", "Normalize")
_RESIZE = ("type", "size", "interpolation")
#: What further settings of ``Resize`` are where it resizes as without them.
_AS_WITHOUT = {"max_size": (None,), "antialias": (None, True, "warn")}


def check_preparation(prepared: Preprocessing, name: str) -> None:
    """Check that a library that reads images itself prepares them as the config does.

    Args:
        prepared: How its images are prepared.
        name: The format.

    Raises:
        UserError: The network takes BGR, or the config has other transforms, another order, or
            further settings of ``Resize``.
    """
    kinds = [str(step["type"]) for step in prepared.transforms]
    other = [kind for kind in kinds if kind not in _PREPARED]
    if other or kinds != sorted(set(kinds), key=_PREPARED.index):
        raise UserError(
            f"--to {name}: the config prepares images by {', '.join(kinds)}, and {name} by "
            f"{', '.join(_PREPARED)} only, in this order: choose onnx, torchscript or torch-export"
        )
    settings = prepared.resize_settings.items()
    if rare := [key for key, value in settings if value not in _AS_WITHOUT.get(key, ())]:
        raise UserError(
            f"--to {name}: {name} has no {', '.join(rare)} of the config's Resize: choose onnx, "
            "torchscript or torch-export, which say so"
        )
    if prepared.channel_order != "rgb":
        raise UserError(
            f"--to {name}: the config reads images as {prepared.channel_order.upper()}, and {name} "
            "gives the network RGB: choose onnx, torchscript or torch-export, which say so"
        )


@dataclass(frozen=True)
class Description:
    """All that is known about an exported network.

    Attributes:
        task: ``classification`` or ``features``.
        width: K or D.
        preprocessing: How an image becomes the input.
        any_size: Whether the network takes other sizes of images, too.
        classes: K names; None for features, or where nobody gave names.
        algorithm: Name of the method, as papers write it.
        backbone: Config of the backbone.
        facts: What the checkpoint says of its training, values that JSON can hold.
        metrics: Measured results, by where they were found: name of the file -> metrics.
        data: Names of the lists or folders of the training images.
        licence: Licence of these images, where it is known.
    """

    task: str
    width: int
    preprocessing: Preprocessing
    any_size: bool
    classes: list[str] | None
    algorithm: str
    backbone: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    licence: str | None = None

    @property
    def output(self) -> str:
        """Return the name of the output."""
        return "logits" if self.task == "classification" else "features"

    def names(self) -> list[str]:
        """Return K names of classes: numbers where there are no names."""
        return self.classes or [str(number) for number in range(self.width)]

    def values(self) -> dict[str, Any]:
        """Return the description as values that JSON can hold."""
        sides: list[Any] = ["height", "width"] if self.any_size else list(self.preprocessing.size)
        return {
            "task": self.task,
            "input": {
                "name": "images",
                "shape": ["batch", len(self.preprocessing.mean), *sides],
                "dtype": "float32",
            },
            "output": {"name": self.output, "shape": ["batch", self.width], "dtype": "float32"},
            "mean": self.preprocessing.mean,
            "std": self.preprocessing.std,
            "size": self.preprocessing.size,
            "resize": self.preprocessing.resize,
            "interpolation": self.preprocessing.interpolation,
            "resize_settings": self.preprocessing.resize_settings,
            "crop": self.preprocessing.crop,
            "value_range": self.preprocessing.value_range,
            "channel_order": self.preprocessing.channel_order,
            "transforms": self.preprocessing.transforms,
            "classes": self.classes,
            "algorithm": self.algorithm,
            "backbone": self.backbone,
            "training": {**self.facts, "data": self.data, "licence_of_data": self.licence},
            "metrics": self.metrics,
        }
