"""Pictures of right and wrong answers of a classifier, with the Grad-CAM of the predicted class.

Letters: N images, C classes, H, W pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv import Config
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Subset

from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.utils.device import default_device, to_device
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import UserError

from .choose import choose_cases
from .files import Case
from .fine_maps import fine_maps
from .grad_cam import heat_maps
from .measure import Scores
from .pictures import enlarged, heat_over, seen_pixels, write_webp


def draw_cases(
    model: Any, dataset: Any, cfg: Config, scores: Scores, seed: int, folder: Path
) -> tuple[list[Case], list[int], str]:
    """Choose test images, write their pictures, and return what they show.

    Args:
        model: The classifier, in eval mode.
        dataset: The test images.
        cfg: The config, for the loader.
        scores: Scores of the test images, [N, C].
        seed: Seed of the choice, see ``choose_cases``.
        folder: Folder of the pictures.

    Returns:
        The cases; rows and columns of their heat maps; why they have none. See ``Explanation``.
    """
    predicted = scores.argmax(axis=1)
    chosen = choose_cases(np.asarray(dataset.gt_labels), predicted, seed)
    images, heats, places, no_heat = _heat_of_chosen(model, dataset, cfg, chosen, predicted[chosen])
    outputs = torch.as_tensor(scores)
    # With test-time augmentation the scores are probabilities already, averaged over the views.
    probabilities = outputs if model.test_augment else outputs.softmax(dim=1)
    names = dataset.data_source.image_names() or [str(i) for i in range(len(dataset))]
    cases = []
    for n, i in enumerate(chosen):
        pixels = enlarged(seen_pixels(images[n], dataset, cfg))
        write_webp(pixels, folder / f"{i}.webp")
        if heats is not None:
            write_webp(heat_over(pixels, heats[n].cpu().numpy()), folder / f"{i}_heat.webp")
        label, answer = int(dataset.gt_labels[i]), int(predicted[i])
        case = Case(
            image=names[i],
            label=label,
            predicted=answer,
            probability=round(float(probabilities[i, answer]), 4),
            probability_of_label=round(float(probabilities[i, label]), 4),
            picture=f"{i}.webp",
            heat=None if heats is None else f"{i}_heat.webp",
        )
        cases.append(case)
    return cases, places, no_heat


def _heat_of_chosen(
    model: Any, dataset: Any, cfg: Config, chosen: Sequence[int], classes: NDArray[np.int64]
) -> tuple[Tensor, Tensor | None, list[int], str]:
    """Return the images as the network gets them, [N, 3, H, W], and their heat maps [N, H, W]."""
    settings = copy.deepcopy(cfg)
    settings.persistent_workers = False  # the loader is used once
    with run_errors():
        loader = build_eval_loader(Subset(dataset, list(chosen)), settings, "test", False)
        batches = [to_device(batch, default_device()) for batch in loader]
    img = torch.cat([batch["img"] for batch in batches])
    known = "patient" in batches[0]
    patient = torch.cat([batch["patient"] for batch in batches]) if known else None
    named = torch.as_tensor(classes).to(img.device)
    try:
        heats, places = fine_maps(lambda part: heat_maps(model, part, named, patient), img)
    except UserError as error:  # such a network has no heat maps; continue with the rest
        print(f"warning: {error}", flush=True)
        return img, None, [], str(error)
    return img, heats, places, ""
