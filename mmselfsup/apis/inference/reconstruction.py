"""A picture of how a masked method reconstructs an image."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from mmcv.utils import build_from_cfg
from PIL import Image
from torch import nn
from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor
from torchvision.transforms.functional import to_pil_image

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.core.hooks.reconstruction_hook import reconstruction_picture
from mmselfsup.datasets import PIPELINES
from mmselfsup.datasets.data_sources.given_images import GivenImages
from mmselfsup.datasets.pipelines.masking import MaskGenerator
from mmselfsup.utils.device import to_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write
from mmselfsup.utils.module import module_device

from .single_image import init_model, reading_options, with_normalisation

T = TypeVar("T")


def write_reconstruction(
    img_path: str, config: str, checkpoint: str | None, out_file: str, device: str, seed: int = 0
) -> None:
    """Write a picture of an image, its visible part, and its reconstruction.

    The image is read as those of the training, and resized to the size that the backbone is made
    for.

    Args:
        img_path: The image.
        config: Config of a pre-training with a reconstruction.
        checkpoint: File of its weights; None for random ones.
        out_file: The picture; its ending tells the format.
        device: See ``init_model``.
        seed: Seed of the mask.

    Raises:
        UserError: The method has no reconstruction, a file can't be read or written, or the
            weights are not those of the whole model.
    """
    model: Any = init_model(config, None, device)
    if not hasattr(model, "reconstruct"):
        raise UserError(
            f"{config}: {type(model).__name__} reconstructs no images; take the config of a masked "
            "pre-training, such as MAE"
        )
    if checkpoint is not None:
        _load_all(model, checkpoint)
    if not Path(img_path).is_file():
        raise UserError(f"there is no image {img_path}: check the path")
    reading = reading_options(model.cfg)
    pixels = GivenImages([img_path], **reading).get_pixels(0)
    image = Image.fromarray(np.asarray(pixels))
    train = model.cfg.get("data", {}).get("train")
    normalize = _first_transform(with_normalisation(model.cfg, [train]), Normalize)
    # Of the type checker: the class is abstract, its subclasses are not.
    generator = _first_transform(train, MaskGenerator)  # type: ignore[type-abstract]
    size = getattr(generator, "input_size", None) or getattr(model.backbone, "img_size", 224)
    steps = [Resize(_pair(size), InterpolationMode.BICUBIC), ToTensor()]
    img = Compose(steps if normalize is None else [*steps, normalize])(image)[None]
    # [1, 3, H, W]
    batch: Any = img
    if generator is not None:  # the pipeline makes the masks, not the model
        torch.manual_seed(seed)
        batch = [img, generator.draw()[None]]
    batch = to_device(batch, module_device(model))
    order = reading.get("channel_order", "rgb")
    picture = reconstruction_picture(model, batch, normalize, seed, order)
    file_format = Image.registered_extensions().get(Path(out_file).suffix.lower(), "PNG")
    with atomic_write(Path(out_file)) as file:
        to_pil_image(picture).save(file, format=file_format)


def _load_all(model: nn.Module, checkpoint: str) -> None:
    """Load encoder and decoder; a random decoder would draw noise that looks like a result."""
    report = load_weights(model, checkpoint)
    lacking = [*report.missing, *(weight.name for weight in report.mismatched)]
    if lacking:
        raise UserError(
            f"{checkpoint} lacks {len(lacking)} weights of the model, such as {lacking[0]}; take a "
            "checkpoint of the pre-training (latest.pth), not its backbone alone"
        )


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _first_transform(config: Any, kind: type[T]) -> T | None:
    """Build the first transform of a class in nested configs; None without one."""
    if isinstance(config, dict):
        transform = PIPELINES.get(config.get("type", ""))
        if isinstance(transform, type) and issubclass(transform, kind):
            return build_from_cfg(dict(config), PIPELINES)
        config = list(config.values())
    parts = config if isinstance(config, list | tuple) else []
    found = (_first_transform(part, kind) for part in parts)
    return next((first for first in found if first is not None), None)
