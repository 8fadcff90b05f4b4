"""Measure a trained model on a data set."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from torch import nn

from mmselfsup.core import EvalHook
from mmselfsup.core.hooks.metric_details import finite, headline
from mmselfsup.utils.atomic import atomic_write, atomic_write_json, check_writable
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.config.signature import accepted_args
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.metrics import nested

from .loaders import build_eval_loader
from .one_line_errors import run_errors

#: Resamples for the intervals of a test.
BOOTSTRAP = 1000


@dataclass(frozen=True)
class TestResult:
    """What a model says about N images of C classes.

    Attributes:
        scores: by head, [N, C].
        labels: [N], -1 where there is none; None for a data set without labels.
        metrics: see the data set's ``evaluate``; empty without labels.
        classes: names of the classes, where the data set has them.
        images: N file names, where the data set knows them.
        lesions: N lesion ids, ``''`` for none, where the data source has ``metadata``.
    """

    __test__ = False  # not a test of pytest's

    scores: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None
    metrics: Mapping[str, float]
    classes: list[str] | None = None
    images: list[str] | None = None
    lesions: list[str] | None = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``scores`` (``scores_<head>`` where there are several heads), and what else is known:
        ``labels``, ``classes``, ``images``, ``lesions``, under these names.
        """
        single = len(self.scores) == 1
        arrays = {"scores" if single else f"scores_{k}": v for k, v in self.scores.items()}
        for name in ("labels", "classes", "images", "lesions"):
            value = getattr(self, name)
            if value is not None:
                arrays[name] = np.asarray(value)
        return arrays


def score_model(
    model: nn.Module,
    dataset: Any,
    cfg: Config,
    distributed: bool = False,
    logger: logging.Logger | None = None,
) -> TestResult:
    """Collect the scores of all images, on all ranks, and measure them.

    Args:
        model: a model with ``forward_test``, on its device.
        dataset: the images; their order is the order of the result.
        cfg: the config, for the loader and the options of ``evaluation`` (``topk``).
        distributed: share the images out over the ranks.
        logger: where a missing label is told.
    """
    loader = build_eval_loader(dataset, cfg, "test", distributed)
    with run_errors():
        scores = collect_results(model, loader)
    labels = getattr(dataset, "gt_labels", None)
    classes = getattr(dataset, "CLASSES", None)
    if labels is None or np.ndim(labels) != 1 or bool((np.asarray(labels) < 0).any()):
        if logger is not None:
            logger.warning("images without a label: scores only, no metrics")
        metrics: dict[str, float] = {}
    else:
        options = {"topk": (1, 5), **evaluate_options(cfg, dataset)}
        metrics = dataset.evaluate(scores, logger=logger, **options)
    source = getattr(dataset, "data_source", None)
    return TestResult(
        scores,
        None if labels is None else np.asarray(labels),
        metrics,
        None if classes is None else list(classes),
        None if source is None else source.image_names(),
        getattr(source, "lesions", None),
    )


def evaluate_options(cfg: Config, dataset: Any) -> dict[str, Any]:
    """What ``cfg.evaluation`` says to ``evaluate``, not to the hook.

    A test ends with intervals (``bootstrap``), where the data set can give them and the config
    doesn't say otherwise.
    """
    hook = accepted_args(EvalHook).names
    given = {k: v for k, v in (cfg.get("evaluation") or {}).items() if k not in hook}
    offered = (
        {"bootstrap": BOOTSTRAP} if "bootstrap" in signature(dataset.evaluate).parameters else {}
    )
    return {**offered, **given}


def write_result(result: TestResult, path: str, facts: Mapping[str, Any]) -> None:
    """Write a result, whole or not at all.

    Args:
        result: what to write.
        path: ``.json`` (facts, metrics, details of metrics by class and source, and
            :meth:`TestResult.arrays` as lists) or ``.npz`` (these as arrays).
        facts: further plain values for JSON (config, checkpoint, ...).
    """
    check_out(path)
    if path.endswith(".npz"):
        with atomic_write(path, "wb") as file:
            np.savez_compressed(file, **result.arrays())  # type: ignore[arg-type]
        return
    lists = {name: array.tolist() for name, array in result.arrays().items()}
    values = finite({name: float(value) for name, value in result.metrics.items()})
    details = nested({name: value for name, value in values.items() if "/" in name})
    head = {**facts, "metrics": headline(values), "classes": result.classes}
    atomic_write_json(path, {**head, **({"details": details} if details else {}), **lists})


def check_out(path: str) -> None:
    """Refuse an ``--out`` of an unknown kind before the work is done.

    Raises:
        UserError: neither ``.json`` nor ``.npz``, or the name of a folder, or not to be written.
    """
    if not path.endswith((".json", ".npz")) or Path(path).is_dir():
        raise UserError(f"--out {path}: name a .json or .npz file")
    check_writable(path)
