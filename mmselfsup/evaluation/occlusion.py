"""The occlusion test: scores of a classifier without the lesion. Letters: N images, C classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from torch import nn

from mmselfsup.apis.test import evaluate_options
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import UserError

from .files import OcclusionScores, ViewScore
from .hide import HidingSource
from .masks import LesionMasks

Scores = NDArray[np.float32]


def view_scores(
    model: nn.Module, dataset: Any, cfg: Config, masks: LesionMasks, view: str
) -> dict[str, Scores]:
    """Return a classifier's scores of one view of all images, with a progress bar.

    Args:
        model: The classifier, on its device.
        dataset: The images; the data set itself is not changed.
        cfg: The config, for the loader.
        masks: Masks of the images.
        view: View of the images, see ``hide``.

    Returns:
        ``scores``: [N, C].

    Raises:
        UserError: An image can't be read, scores are not finite, or there are several heads.
    """
    print(f"{view.replace('_', ' ')}: {len(dataset)} test images", flush=True)
    # A shallow copy shares labels and pipeline; only the source of the pixels differs.
    part_hidden = copy.copy(dataset)
    part_hidden.data_source = HidingSource(dataset.data_source, masks, view)
    settings = copy.deepcopy(cfg)
    settings.persistent_workers = False  # the loader is used once
    with run_errors():
        scores = collect_results(model, build_eval_loader(part_hidden, settings, "test", False))
    if len(scores) != 1:
        raise UserError(f"the classifier has the heads {', '.join(scores)}: take one with one head")
    (only,) = scores.values()
    broken = int((~np.isfinite(only)).any(axis=1).sum())
    if broken:
        raise UserError(
            f"{broken} of {len(only)} images have scores that are NaN or infinite: the weights "
            "are broken, take an earlier checkpoint"
        )
    return {"scores": only}


def measure_occlusion(
    scores: Mapping[str, Scores], dataset: Any, cfg: Config, masks: LesionMasks
) -> OcclusionScores:
    """Return the scores of all views, with 95 % intervals by a bootstrap over lesions.

    Args:
        scores: Scores [N, C] by view.
        dataset: The images, for labels, lesions and ``evaluate``.
        cfg: The config, for the options of ``evaluation``.
        masks: Masks of the images.
    """
    options = evaluate_options(cfg, dataset)
    numbers = {
        view: dataset.evaluate({"head0": values}, topk=(1,), **_without_topk(options))
        for view, values in scores.items()
    }
    counts = np.bincount(dataset.gt_labels)
    return OcclusionScores(
        views={view: _view_score(values) for view, values in numbers.items()},
        chance=1 / int((counts > 0).sum()),
        majority=float(counts.max() / counts.sum()),
        num_images=len(dataset),
        guessed=int(masks.guessed.sum()),
        covered=round(float(masks.fractions().mean()), 4),
        by_lesion=all(values["interval/by_lesion"] == 1 for values in numbers.values()),
    )


def _without_topk(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without ``topk``, which is 1 for the views, whatever the config says."""
    return {name: value for name, value in options.items() if name != "topk"}


def _view_score(numbers: Mapping[str, float]) -> ViewScore:
    """Return the scores of a view, from all that ``evaluate`` measures."""
    picked = [
        numbers[name.format(metric)]
        for metric in ("balanced_accuracy", "accuracy")
        for name in ("{}", "interval/{}/low", "interval/{}/high")
    ]
    return ViewScore(*(round(float(number), 5) for number in picked))
