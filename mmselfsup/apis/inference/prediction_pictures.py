"""Pictures of predictions: what the network saw, and where the evidence for its answer lies."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmselfsup.evaluation.grad_cam import fine_maps, heat_maps
from mmselfsup.evaluation.heat_map_cases import enlarged, heat_over, seen_pixels, write_webp
from mmselfsup.evaluation.predictions import Predictions
from mmselfsup.utils.device import to_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import check_writable
from mmselfsup.utils.module import module_device
from mmselfsup.utils.progress import progress

from .image_input import image_loader
from .predictor import Predictor

_LONGEST = 60  # letters of an image's name in that of its picture
_MOST_BYTES = 200  # of the words of that name: file systems take 255


def write_heat_maps(
    predictor: Predictor, predictions: Predictions, images: Any, folder: str
) -> int:
    """Write for each image its picture beside the Grad-CAM of its predicted class.

    Args:
        predictor: The classifier.
        predictions: Its predictions for ``images``.
        images: The images, as they were predicted.
        folder: Folder of the pictures, ``<number>_<name>_<class>.webp``; created where missing.

    Returns:
        The number of pictures; images that could not be read have none.

    Raises:
        UserError: The network has no heat maps, takes metadata, or the predictions are of another
            head than the last one.
    """
    if getattr(predictor.model, "uses_patient", False):
        raise UserError("heat maps of a head that takes metadata: use tools/isic2019/explain.py")
    check_writable(Path(folder) / "0.webp")
    dataset = predictor.dataset(images)
    loader = image_loader(predictor.cfg, dataset, batch_size=1)
    device = module_device(predictor.model)
    written, predicted = 0, predictions.predicted
    for number, batch in enumerate(progress(loader, desc="heat maps", unit="img")):
        if number in predictions.errors:
            continue
        img = to_device(batch, device)["img"]  # [1, 3, H, W]
        if not written:
            _check_head(predictor, img)
        best = torch.tensor([int(predictions.probabilities[number].argmax())], device=device)
        heat, _ = fine_maps(partial(heat_maps, predictor.model, classes=best), img)
        pixels = enlarged(seen_pixels(img[0], dataset, predictor.cfg))
        picture = np.concatenate([pixels, heat_over(pixels, heat[0].cpu().numpy())], axis=1)
        name = _file_name(number, predictions.images[number], predicted[number])
        write_webp(picture, Path(folder) / name)
        written += 1
    return written


def _check_head(predictor: Predictor, img: Tensor) -> None:
    """Check that the predictions for images [N, 3, H, W] are those of the last head.

    Raises:
        UserError: They are of another one, whose evidence lies in another stage.
    """
    if predictor.head is None:
        return
    with torch.no_grad():
        *_, last = predictor.model(mode="test", img=img)
    if predictor.head != last:
        raise UserError(
            f"heat maps show the evidence for {last}, the head at the last stage, and the "
            f"predictions are those of {predictor.head}: choose --head {last}"
        )


def _file_name(number: int, image: str, predicted: str) -> str:
    """Return the name of an image's picture."""
    words = re.sub(r"[^\w.-]+", "_", f"{Path(image).stem[:_LONGEST]}_{predicted}")
    words = words.encode()[:_MOST_BYTES].decode(errors="ignore")
    return f"{number:06d}_{words}.webp"
