"""Export of a trained network to a format of other programs, checked on real images.

Letters: N images, C channels, H, W their size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv import Config
from PIL import Image
from torch import Tensor

from mmselfsup.config.inspect import class_list, transform_steps
from mmselfsup.core.checkpoint import class_names, load_state, meta_of
from mmselfsup.datasets.data_sources.given_images import Given
from mmselfsup.export import FORMATS, Description, Format, ImageNetwork, outputs_of
from mmselfsup.export import preprocessing_of as read_preprocessing
from mmselfsup.export.card import model_card
from mmselfsup.export.check import TOLERANCE, Checked, compare, sizes_of
from mmselfsup.models.builder import ALGORITHMS
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, atomic_write_text, sha256

from .export_facts import data_of, found_metrics, training_facts
from .features.frozen_features import frozen_model
from .inference.embedder import preparation
from .inference.image_input import Images, config_of, given_images, image_dataset, image_loader
from .inference.single_image import reading_options
from .test import trained_model

_IMAGES = 8  # that are compared
_LIBRARIES = {"timm": "timm", "hf": "transformers", "onnx": "onnx"}


@dataclass(frozen=True)
class Exported:
    """A written file and its check.

    Attributes:
        path: The file that holds the network.
        checked: Result of the comparison with the model.
        description: What the file says about itself.
    """

    path: Path
    checked: Checked
    description: Description


def export_model(
    checkpoint: str,
    to: str,
    out: str | None = None,
    config: str | Config | None = None,
    images: Images | None = None,
    features: bool = False,
    options: dict[str, Any] | None = None,
    licence: str | None = None,
) -> Exported:
    """Write a trained network in another format, read it back, and compare it with the model.

    Args:
        checkpoint: File of a training; the config that it holds is used.
        to: A key of ``mmselfsup.export.FORMATS``.
        out: The folder to write, or a file with the suffix of the format, which then has no model
            card; by default a folder beside the checkpoint.
        config: Another config: its file, or a ``Config``; needed for weights alone.
        images: Images to compare with, see ``given_images``; by default those of the config's data
            where they are there, else two photographs that scikit-learn brings along.
        features: Whether to export the backbone of a classifier without its head.
        options: Overrides of the config, with dotted keys.
        licence: Licence of the training images for the model card; by default that of the study's
            data, where it is known.

    Raises:
        UserError: The checkpoint or config can't be used, the format has no such network, a package
            is missing, or the file computes something else than the model: it stays, to be looked
            at.
    """
    if to not in FORMATS:
        raise UserError(f"--to {to}: choose one of {', '.join(FORMATS)}")
    kind = FORMATS[to]()
    state = load_state(checkpoint)
    cfg = config_of(checkpoint, state, config, options)
    network = ImageNetwork(_model(cfg, checkpoint, state, features), features)
    kind.check(network)
    batch = prepared_images(cfg, images)
    path, alone = _target(checkpoint, kind, out)
    description = describe(cfg, checkpoint, state, network, batch, licence)
    network.eval()
    kind.write(network, batch, description, path)
    checked = compare(network, kind.load(network, path), sizes_of(network, batch))
    if not alone:
        _describe_folder(kind, network, description, checked, path.parent)
    if not checked.passed:
        raise UserError(
            f"{path}: what {to} computes differs from the model by {checked.difference:.1e}, more "
            f"than {TOLERANCE:g}; the file stays, don't use it"
        )
    return Exported(path, checked, description)


def _model(cfg: Config, checkpoint: str, state: Mapping[str, Any], features: bool) -> Any:
    """Return the model with its weights: all of them for a classifier, else the backbone's."""
    kind = ALGORITHMS.get((cfg.get("model") or {}).get("type"))
    if hasattr(kind, "class_scores") and not features:
        return trained_model(cfg, checkpoint, state).eval()
    return frozen_model(cfg, checkpoint, seed=0, state=state)


def _target(checkpoint: str, kind: Format, out: str | None) -> tuple[Path, bool]:
    """Return the file to write, and whether it stands alone."""
    source = Path(checkpoint)
    if out is None:
        return source.parent / f"{source.stem}_{kind.name}" / kind.file, False
    path, suffix = Path(os.path.expanduser(out)), Path(kind.file).suffix
    if path.suffix == suffix and not path.is_dir():
        if kind.described != "config.json":
            raise UserError(f"--out {out}: {kind.name} is a folder of several files, name a folder")
        return path, True
    return path / kind.file, False


def _describe_folder(
    kind: Format, network: ImageNetwork, description: Description, checked: Checked, folder: Path
) -> None:
    """Write the description and the model card."""
    values = {"format": kind.name, "file": kind.file, **description.values()}
    atomic_write_json(folder / kind.described, {**values, "check": checked.values()}, indent=2)
    reading = kind.explain(network, description).replace("FOLDER", folder.name)
    library = _LIBRARIES.get(kind.name, "pytorch")
    card = model_card(description, reading, library, checked)
    atomic_write_text(folder / "README.md", card)


def describe(
    cfg: Config,
    checkpoint: str,
    state: Mapping[str, Any],
    network: ImageNetwork,
    images: Tensor,
    licence: str | None = None,
) -> Description:
    """Return what is known about a network.

    Args:
        cfg: Its config.
        checkpoint: The file of its weights.
        state: The content of the file.
        network: The network.
        images: Images [N, C, H, W] as it takes them.
        licence: See ``export_model``.

    Raises:
        UserError: The config doesn't say how images are normalised.
    """
    norm = cfg.get("img_norm_cfg") if cfg.get("prefetch") else None
    width = int(outputs_of(network, images[:1]).shape[1])
    data, licence = data_of(cfg, checkpoint, licence)
    backbone = {key: value for key, value in cfg.model.backbone.items() if key != "init_cfg"}
    return Description(
        task="classification" if network.classifies else "features",
        width=width,
        preprocessing=read_preprocessing(
            preparation(cfg), images.shape[-2:], norm, images.shape[1], reading_options(cfg)
        ),
        any_size=network.takes_any_size,
        classes=_classes(cfg, state, width) if network.classifies else None,
        algorithm=getattr(type(network.model), "title", type(network.model).__name__),
        backbone=backbone,
        facts={
            **training_facts(cfg, meta_of(state)),
            "checkpoint": Path(checkpoint).name,
            "sha256": sha256(Path(checkpoint)),
        },
        metrics=found_metrics(checkpoint, meta_of(state)),
        data=data,
        licence=licence,
    )


def _classes(cfg: Config, state: Mapping[str, Any], number: int) -> list[str] | None:
    """Return the names of the classes, None where nobody gave any.

    Raises:
        UserError: Their number is not that of the outputs.
    """
    try:
        names = class_names(state) or class_list(cfg)
    except UserError:  # a config without data
        names = None
    if names is not None and len(names) != number:
        raise UserError(f"the model has {number} classes, of which {len(names)} names")
    return names


def prepared_images(cfg: Config, images: Images | None) -> Tensor:
    """Return up to 8 real images [N, C, H, W] as the model takes them, N at least 2.

    Args:
        cfg: The config.
        images: See ``export_model``.

    Raises:
        UserError: None can be read, or nothing says which size they have.
    """
    steps = preparation(cfg)
    chosen = _default_images(cfg, steps) if images is None else given_images(images)
    dataset = image_dataset(cfg, chosen[:_IMAGES], steps)
    batches = [batch["img"] for batch in image_loader(cfg, dataset, 1)]
    errors = dataset.data_source.errors()
    read = [image for number, image in enumerate(batches) if number not in errors]
    if not read:
        raise UserError(
            f"none of the {len(dataset)} images can be read: {next(iter(errors.values()))}"
        )
    if len(sizes := {tuple(image.shape[-2:]) for image in read}) > 1:
        (height, width), (high, wide), *_ = sorted(sizes)
        raise UserError(
            f"the config's pipeline gives images of several sizes ({height} x {width} and {high} x "
            f"{wide}): end it with a crop, or name images of one size (--images)"
        )
    found: Tensor = torch.cat(read)
    return found if len(found) > 1 else found.repeat(2, 1, 1, 1)


def _default_images(cfg: Config, steps: Sequence[Mapping[str, Any]]) -> Sequence[Given]:
    """Return images of the config's data, or photographs that are always there."""
    for folder in _folders(cfg):
        try:
            return given_images(folder)[:_IMAGES]
        except UserError:  # not on this machine
            continue
    return _photographs(None if any("size" in step for step in steps) else _side(cfg))


def _photographs(side: int | None) -> list[Given]:
    """Return the squares in the middle of two photographs, resized to ``side`` where it is given.

    Their own shape is that of no data: a pipeline that leaves it open would pass it on.
    """
    from sklearn.datasets import load_sample_images

    squares: list[Given] = []
    for pixels in load_sample_images().images:
        short = min(pixels.shape[:2])
        top, left = ((length - short) // 2 for length in pixels.shape[:2])
        square = Image.fromarray(pixels[top : top + short, left : left + short])
        squares.append(square if side is None else square.resize((side, side)))
    return squares


def _side(cfg: Config) -> int:
    """Return the side of images whose size no pipeline sets: that of the training, or the network.

    Raises:
        UserError: Neither is known.
    """
    train = (cfg.get("data") or {}).get("train")
    sizes = [step["size"] for step in transform_steps(train) if step.get("size")]
    sizes += filter(None, [((cfg.get("model") or {}).get("backbone") or {}).get("img_size")])
    if not sizes:
        raise UserError(
            "the config's pipelines give images no size, and none of its images are here: name "
            "some (--images)"
        )
    return int(np.max(sizes[0]))


def _folders(cfg: Config) -> Iterator[str]:
    """Yield the folders of the images that a config names."""
    for part in ("test", "val", "train"):
        source = ((cfg.get("data") or {}).get(part) or {}).get("data_source") or {}
        prefix = source.get("data_prefix")
        for folder in prefix if isinstance(prefix, list | tuple) else [prefix]:
            if isinstance(folder, str) and os.path.isdir(os.path.expanduser(folder)):
                yield folder
