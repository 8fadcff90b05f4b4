"""The steps of ``tools/test.py``."""

import copy
import os
from argparse import Namespace
from collections.abc import Mapping

from mmcv import Config
from torch import nn

from mmselfsup.config.load import load_config
from mmselfsup.core.checkpoint import load_weights
from mmselfsup.datasets import build_dataset
from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist, setup_multi_processes
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError

from .launch import join_ranks, open_log, open_work_dir, work_dir_of
from .test import TestResult, check_out, score_model, write_result


def run_testing(args: Namespace) -> TestResult:
    """Run the test of a command line: log the metrics, and write them to ``--out``.

    Raises:
        UserError: See the single steps.
    """
    cfg = load_config(args.config, args.cfg_options)
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    if args.out:
        check_out(args.out)
    data = cfg.data.get("test") or cfg.data.get("val")
    if data is None:
        raise UserError(f"{args.config} has no data.test and no data.val to test on")
    open_work_dir(cfg.work_dir)
    setup_multi_processes(cfg)
    ranks = join_ranks(args, cfg)
    logger, _ = open_log(cfg, "test_")
    if ranks.note:
        logger.info(ranks.note)
    with config_errors("data"):
        dataset = build_dataset(copy.deepcopy(data))
    model = trained_model(cfg, args.checkpoint).to(default_device())
    result = score_model(model, dataset, cfg, ranks.distributed, logger)
    logger.info("%d images\n%s", len(dataset), "\n".join(metric_lines(result.metrics)))
    if args.out and dist.is_main():
        facts = {"config": args.config, "checkpoint": args.checkpoint, "num_samples": len(dataset)}
        write_result(result, args.out, facts)
        logger.info("written: %s", os.path.abspath(args.out))
    dist.destroy()
    return result


def trained_model(cfg: Config, checkpoint: str) -> nn.Module:
    """Return the model of a config with all its weights from a checkpoint.

    Raises:
        UserError: The checkpoint lacks a weight of the model, so that scores would be noise.
    """
    with config_errors("model"):
        model = build_algorithm(copy.deepcopy(cfg.model))
    report = load_weights(model, checkpoint)
    unread = tuple(f"{name}." for name, part in model.named_modules() if part_of_training(part))
    unfilled = [*report.missing, *(mismatch.name for mismatch in report.mismatched)]
    open_weights = [name for name in unfilled if not name.startswith(unread)]
    if open_weights:
        raise UserError(
            f"{checkpoint} has no fitting weights for {len(open_weights)} names of the model "
            f"({', '.join(open_weights[:3])}, ...): test with the config it was trained with"
        )
    return model


def part_of_training(module: nn.Module) -> bool:
    """Return whether only the training reads a module, such as a memory bank."""
    return getattr(module, "training_only", False)


def metric_lines(metrics: Mapping[str, float]) -> list[str]:
    """Return a line for each metric of a log, with its 95 % interval if there is one.

    An interval by image is too narrow, since images of one lesion are alike; it is marked.
    """
    lines = []
    by_image = metrics.get("interval/by_lesion") == 0
    remark = "  (by image, lesions unknown)" if by_image else ""
    for name, value in metrics.items():
        if "/" in name:
            continue
        low, high = (metrics.get(f"interval/{name}/{end}") for end in ("low", "high"))
        interval = "" if low is None else f"  95 %: {low:.4f} to {high:.4f}{remark}"
        lines.append(f"{name:<24} {value:9.4f}{interval}")
    return lines
