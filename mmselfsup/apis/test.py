"""The test of a trained model on a data set, as ``tools/test.py`` runs it.

``run_testing`` is the whole command line; ``score_model`` is its middle, for a model and a data set
that exist already.

Letters: N images, C classes.
"""

import copy
import logging
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config
from numpy.typing import NDArray
from torch import nn

from mmselfsup.config import own_data
from mmselfsup.config.load import load_config
from mmselfsup.config.signature import accepted_args
from mmselfsup.core import EvalHook
from mmselfsup.core.checkpoint import class_names, load_state, load_weights
from mmselfsup.core.hooks.eval_hook import headline
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import use_classes
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.evaluation.predictions import Predictions
from mmselfsup.metrics import finite, is_fact, nested, probabilities
from mmselfsup.metrics.bootstrap import FEWEST_LESIONS
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist, setup_multi_processes
from mmselfsup.utils.collect import collect_results
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors, peer_errors, run_errors, shared_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, atomic_write_json, check_writable, sha256
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.plurals import counted

from .launch import Ranks, join_ranks, open_log, open_work_dir, work_dir_of
from .preflight.data_look import look_at
from .preflight.evaluation_settings import without_effect
from .preflight.overview import data_rows, log_table
from .preflight.trained_input import report_other_input
from .preflight.trained_network import report_other_network

#: Number of bootstrap resamples for the intervals of a test.
BOOTSTRAP = 1000
#: The metrics with intervals that are means over the classes.
OVER_CLASSES = ("balanced_accuracy", "macro_auc")


@dataclass(frozen=True)
class TestResult:
    """The predictions of a model for N images of C classes.

    Attributes:
        scores: The scores [N, C] of each head.
        labels: Labels [N], -1 for none, or [N, C], a 0 or 1 for each class; None for a data set
            without labels.
        metrics: See the data set's ``evaluate``; empty without labels.
        classes: Names of the classes, if the data set has them.
        images: The N file names, if the data set has them.
        lesions: The N lesion ids, ``''`` for none, if the data source has ``metadata``.
        multi_label: Whether an image may be of several classes: scores are then a probability for
            each class.
    """

    __test__ = False  # the name begins with "Test", but pytest shall not collect it

    scores: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None
    metrics: Mapping[str, float]
    classes: list[str] | None = None
    images: list[str] | None = None
    lesions: list[str] | None = None
    multi_label: bool = False

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays under their names in a result file.

        These are ``scores`` (``scores_<head>`` for several heads) and, as far as they are known,
        ``labels``, ``classes``, ``images`` and ``lesions``.
        """
        single = len(self.scores) == 1
        arrays = {"scores" if single else f"scores_{k}": v for k, v in self.scores.items()}
        for name in ("labels", "classes", "images", "lesions"):
            value = getattr(self, name)
            if value is not None:
                arrays[name] = np.asarray(value)
        return arrays


def run_testing(args: Namespace) -> TestResult:
    """Run the test of a command line: log the metrics, and write them to ``--out``.

    Raises:
        UserError: See the single steps.
    """
    cfg = load_config(args.config, args.cfg_options)
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    if args.out:
        check_out(args.out)
    if not (cfg.data.get("test") or cfg.data.get("val")):
        raise UserError(f"{args.config} has no data.test and no data.val to test on")
    if getattr(args, "no_check_files", False):
        cfg.check_files = False
    setup_multi_processes(cfg)
    ranks = join_ranks(args, cfg)
    with peer_errors():
        result = score_joined(args, cfg, ranks)
    dist.destroy()
    return result


def score_joined(args: Namespace, cfg: Config, ranks: Ranks) -> TestResult:
    """Run the test of a command line on a rank that has joined the others.

    Args:
        args: The arguments of the command line.
        cfg: The config.
        ranks: The role of this process.

    Raises:
        UserError: See the single steps.
    """
    # What this rank finds on its node is checked here, so that the others learn of an error.
    with shared_errors():
        open_work_dir(cfg.work_dir)
    logger, _ = open_log(cfg, "test_")
    if ranks.note:
        logger.info(ranks.note)
    with shared_errors():
        state = load_state(args.checkpoint)
        own_data.resolve(cfg, known=own_data.config_in(state))
    with shared_errors(), config_errors("data"):
        dataset = build_dataset(copy.deepcopy(cfg.data.get("test") or cfg.data.val))
    with shared_errors():
        model = trained_model(cfg, args.checkpoint, state).to(default_device())
        report_other_input(cfg, args.checkpoint, state, logger)
    result = score_model(model, dataset, cfg, ranks.distributed, logger)
    logger.info("%d images\n%s", len(dataset), "\n".join(metric_lines(result.metrics)))
    if args.out and dist.is_main():
        facts = {"config": args.config, "checkpoint": args.checkpoint, "num_samples": len(dataset)}
        if os.path.isfile(args.checkpoint):  # a later training may write other weights there
            facts["sha256"] = sha256(Path(args.checkpoint))
        write_result(result, args.out, facts)
        logger.info("written: %s", os.path.abspath(args.out))
    return result


def trained_model(
    cfg: Config, checkpoint: str, state: Mapping[str, Any] | None = None
) -> nn.Module:
    """Return the model of a config with all its weights from a checkpoint.

    Its attribute ``CLASSES`` holds the names of its classes where the checkpoint knows them.

    Args:
        cfg: The config.
        checkpoint: The file.
        state: Its content, where it is read already.

    Raises:
        UserError: The checkpoint lacks a weight of the model, so that scores would be noise.
    """
    with config_errors("model"):
        model: Any = build_algorithm(copy.deepcopy(cfg.model))
    state = load_state(checkpoint) if state is None else state
    report = load_weights(model, checkpoint, state=state)
    model.CLASSES = class_names(state)
    # A memory bank is not read by a test: a checkpoint without it is complete.
    unread = tuple(f"{name}." for name, part in model.named_modules() if part_of_training(part))
    unfilled = [*report.missing, *(mismatch.name for mismatch in report.mismatched)]
    open_weights = [name for name in unfilled if not name.startswith(unread)]
    if open_weights:
        raise UserError(
            f"{checkpoint} has no fitting weights for {len(open_weights)} names of the model "
            f"({', '.join(open_weights[:3])}, ...): test with the config it was trained with"
        )
    report_other_network(cfg.model, checkpoint, state)
    return model


def part_of_training(module: nn.Module) -> bool:
    """Return whether only the training reads a module, such as a memory bank."""
    return getattr(module, "training_only", False)


def score_model(
    model: nn.Module,
    dataset: Any,
    cfg: Config,
    distributed: bool = False,
    logger: logging.Logger | None = None,
) -> TestResult:
    """Return the scores of all images, collected from all ranks, and their metrics.

    Args:
        model: A model with ``forward_test``, on its device; where its ``CLASSES`` are known, the
            data set's labels are numbered as these.
        dataset: The images; their order is the order of the result.
        cfg: The config, for the loader and the options of ``evaluation`` (``topk``).
        distributed: Whether each rank scores a part of the images.
        logger: The logger that warns of missing labels.
    """
    use_classes(dataset, getattr(model, "CLASSES", None), "the tested data set", "the checkpoint")
    loader = build_eval_loader(dataset, cfg, "test", distributed)
    if logger is not None:
        with shared_errors():
            look = look_at(loader, "the tested data set", cfg, logger)
        log_table(data_rows([look]), logger, "what is tested:")
    with run_errors():
        scores = collect_results(model, loader)
    labels = getattr(dataset, "gt_labels", None)
    classes = getattr(dataset, "CLASSES", None)
    several = labels is not None and np.ndim(labels) == 2
    multi_label = getattr(unwrap(model), "multi_label", False)
    unlabelled = labels is not None and not several and bool((np.asarray(labels) < 0).any())
    if labels is None or unlabelled or several != multi_label:
        if logger is not None:
            reason = "several labels for each image" if several else "images without a label"
            logger.warning("%s: scores only, no metrics", reason)
        metrics: dict[str, float] = {}
    else:
        given = given_options(cfg)
        if logger is not None:
            num_classes = next(iter(scores.values())).shape[1]
            for line in without_effect(given, dataset, num_classes):
                logger.warning("%s", line)
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
        multi_label,
    )


def evaluate_options(cfg: Config, dataset: Any) -> dict[str, Any]:
    """Return the options in ``cfg.evaluation`` that are for ``evaluate``, not for the hook.

    A test has intervals (``bootstrap``) if the data set can compute them and the config doesn't
    turn them off.
    """
    given = given_options(cfg)
    offered = (
        {"bootstrap": BOOTSTRAP} if "bootstrap" in signature(dataset.evaluate).parameters else {}
    )
    return {**offered, **given}


def given_options(cfg: Config) -> dict[str, Any]:
    """Return the options in ``cfg.evaluation`` that are for ``evaluate``, not for the hook."""
    hook = accepted_args(EvalHook).names
    return {k: v for k, v in (cfg.get("evaluation") or {}).items() if k not in hook}


def metric_lines(metrics: Mapping[str, float]) -> list[str]:
    """Return a line for each metric of a log, with its 95 % interval if there is one.

    An interval by image is too narrow where images of one group (lesion, patient) are alike, and
    that of a mean over classes where a class has few groups; it is marked.
    """
    lines = []
    by_image = metrics.get("interval/by_lesion") == 0
    remark = "  (by image, groups unknown)" if by_image else ""
    few = few_remark(metrics.get("interval/fewest_lesions"), by_image)
    for name, value in metrics.items():
        if "/" in name or is_fact(name):
            continue
        low, high = (metrics.get(f"interval/{name}/{end}") for end in ("low", "high"))
        marks = remark + (few if name in OVER_CLASSES else "")
        interval = "" if low is None else f"  95 %: {low:.4f} to {high:.4f}{marks}"
        lines.append(f"{name:<24} {value:9.4f}{interval}")
    return lines


def few_remark(fewest: float | None, by_image: bool = False) -> str:
    """Return what is said of the interval of a mean over classes; '' where it can be trusted.

    Args:
        fewest: See ``fewest_lesions``; None where it is not known.
        by_image: Whether images were drawn, as lesions are not known.
    """
    if fewest is None or fewest >= FEWEST_LESIONS:
        return ""
    number = counted(int(fewest), "image" if by_image else "group")
    return f"  (too narrow: a class has {number})"


def write_result(result: TestResult, path: str, facts: Mapping[str, Any]) -> None:
    """Write a result, completely or not at all.

    Args:
        result: The result.
        path: A ``.json`` file (facts, metrics, details of metrics by class and source, and
            ``TestResult.arrays`` as lists), a ``.npz`` file (these as arrays), or a ``.csv`` file
            (the table of ``Predictions``).
        facts: Further plain values for JSON (config, checkpoint, ...).
    """
    check_out(path)
    if path.endswith(".npz"):
        with atomic_write(path, "wb") as file:
            np.savez_compressed(file, **result.arrays())  # type: ignore[arg-type]
        return
    if path.endswith(".csv"):
        prediction_table(result).write(path)
        return
    lists = {name: array.tolist() for name, array in result.arrays().items()}
    values = finite({name: float(value) for name, value in result.metrics.items()})
    details = nested({name: value for name, value in values.items() if "/" in name})
    head = {**facts, "metrics": headline(values), "classes": result.classes}
    atomic_write_json(path, {**head, **({"details": details} if details else {}), **lists})


def prediction_table(result: TestResult) -> Predictions:
    """Return the probabilities of a result.

    Raises:
        UserError: The model has several heads, each with scores of its own.
    """
    if len(result.scores) > 1:
        raise UserError(
            f"a table holds the scores of one head, the model has {', '.join(result.scores)}: name "
            "a .npz or .json file"
        )
    scores = next(iter(result.scores.values()))
    probs = np.asarray(scores, np.float64) if result.multi_label else probabilities(scores)
    labels = result.labels
    if labels is not None and labels.ndim != 1 + result.multi_label:
        labels = None
    return Predictions(
        images=result.images or [f"image {number}" for number in range(len(probs))],
        classes=result.classes or [str(number) for number in range(probs.shape[1])],
        probabilities=probs,
        labels=labels,
        multi_label=result.multi_label,
    )


def check_out(path: str) -> None:
    """Check the type of ``--out`` before the work is done.

    Raises:
        UserError: It is none of ``.json``, ``.npz`` and ``.csv``, or a folder, or can't be written.
    """
    if not path.endswith((".json", ".npz", ".csv")) or Path(path).is_dir():
        raise UserError(f"--out {path}: name a .json, .npz or .csv file")
    check_writable(path)
