"""The steps of ``tools/benchmarks/classification/test_knn.py`` and ``test_linear.py``."""

import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from mmcv import Config

from mmselfsup.core.evaluation.kept import check_features_path, write_features
from mmselfsup.core.evaluation.knn import check_neighbours, evaluate_knn
from mmselfsup.core.evaluation.labelled import LabelledFeatures
from mmselfsup.core.evaluation.linear_probe import choose_penalty, evaluate_probe
from mmselfsup.utils import dist, setup_multi_processes
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json, check_writable

from .frozen import cached_features, extract, frozen_model, labelled_datasets, origin_of
from .frozen_options import is_pretrained, read_configs, wanted_checkpoint
from .frozen_table import finite, print_table
from .launch import join_ranks, open_log, open_work_dir, work_dir_of

Rows = dict[str, Mapping[str, Any]]


def run_knn(args: Namespace) -> None:
    """Classify by nearest neighbours, print a table, write JSON.

    Raises:
        UserError: See the single steps.
    """
    ks = list(dict.fromkeys(args.num_knn))

    def protocol(data: LabelledFeatures, logger: logging.Logger) -> tuple[Rows, dict[str, Any]]:
        by_k = evaluate_knn(data, ks, args.temperature, default_device())
        return {f"kNN, k={k}": m for k, m in by_k.items()}, {"temperature": args.temperature}

    run_frozen(args, "knn", protocol, lambda num: check_neighbours(ks, args.temperature, num))


def run_linear(args: Namespace) -> None:
    """Fit a balanced linear classifier, print a table, write JSON.

    Raises:
        UserError: See the single steps.
    """

    def protocol(data: LabelledFeatures, logger: logging.Logger) -> tuple[Rows, dict[str, Any]]:
        tried: dict[float, float] = {}
        penalty = args.penalty[0]
        if len(args.penalty) > 1:
            penalty, tried = choose_penalty(data, args.penalty, args.seed)
            shown = ", ".join(f"{c:g}: {b:.4f}" for c, b in tried.items())
            logger.info("balanced accuracy on held-out training samples by C: %s", shown)
        row: Rows = {f"linear probe, C={penalty:g}": evaluate_probe(data, penalty)}
        return row, {"C": penalty, "C_tried": {f"{c:g}": b for c, b in tried.items()}}

    run_frozen(args, "linear", protocol)


def run_frozen(
    args: Namespace, name: str, protocol: Any, check: Callable[[int], None] = lambda num_train: None
) -> None:
    """Run an evaluation protocol on frozen features, as the command line sets it.

    Args:
        args: The arguments of the command line.
        name: Start of the names of log and result.
        protocol: A function ``(features, logger) -> (rows of the table, further facts)``.
        check: A function that raises an error for arguments that don't fit the number of training
            images, before the work.
    """
    checkpoint = wanted_checkpoint(args)
    if args.features:
        check_features_path(args.features)
    if args.out:
        check_writable(args.out)
    cfg, data_cfg = read_configs(args)
    if checkpoint is None and not args.random and not is_pretrained(cfg.get("model")):
        raise UserError("name the weights by --checkpoint FILE, or ask for --random ones")
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    open_work_dir(cfg.work_dir)
    setup_multi_processes({**cfg, "data": data_cfg.get("data")})
    ranks = join_ranks(args, cfg)
    logger, stamp = open_log(cfg, f"{name}_")
    if ranks.note:
        logger.info(ranks.note)
    datasets = labelled_datasets(data_cfg, args.dataset_config)
    model = frozen_model(cfg, checkpoint, args.seed, logger).to(default_device())
    check(len(datasets["train"]))  # before the extraction, which takes the most time
    start = time.perf_counter()
    data = _features(args, model, datasets, data_cfg, ranks.distributed, logger)
    seconds = time.perf_counter() - start
    if dist.is_main():
        rows, facts = protocol(data, logger)
        weights = checkpoint or f"initial weights, seed {args.seed}"
        head = {
            "config": args.config,
            "checkpoint": weights,
            "dataset_config": args.dataset_config,
            "num_train": len(data.train),
            "num_test": len(data.test),
            "feature_width": int(data.train.shape[1]),
            **facts,
            "classes": data.classes,
        }
        print_table(rows, data, weights)
        path = args.out or os.path.join(cfg.work_dir, f"{name}_{stamp}.json")
        atomic_write_json(path, {**head, "results": {k: finite(m) for k, m in rows.items()}})
        num_images = len(data.train) + len(data.test)
        logger.info("%d images in %.1f s; written: %s", num_images, seconds, os.path.abspath(path))
    dist.destroy()


def _features(
    args: Namespace,
    model: Any,
    datasets: dict[str, Any],
    cfg: Config,
    distributed: bool,
    logger: logging.Logger,
) -> LabelledFeatures:
    """Return the features of the cache file, otherwise those of the images."""
    if not args.features:
        return extract(model, datasets, cfg, distributed)
    origin = origin_of(model, datasets, cfg)
    data = cached_features(args.features, origin)
    if data is None:
        data = extract(model, datasets, cfg, distributed)
        if dist.is_main():
            write_features(args.features, data, origin)
    logger.info("features: %s", os.path.abspath(args.features))
    return data
