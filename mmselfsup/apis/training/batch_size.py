"""The joined batch of a training, and the learning rate that belongs to it.

A learning rate belongs to the number of images of a step: Goyal et al., "Accurate, Large Minibatch
SGD: Training ImageNet in 1 Hour", arXiv 1706.02677, section 2.1: multiply it by k where the batch
is k times as large (linear scaling rule).
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcv import Config
from torch.optim import Optimizer

from mmselfsup.utils.errors import UserError

from .hooks import optimizer_hook_config

# ``8xb32`` in the name of a config: processes and images of each; ``accum16``: batches of a step.
_IN_NAME = re.compile(r"(?:^|[_-])(\d+)xb(\d+)(?=[_-]|$)")
_ACCUMULATED = re.compile(r"(?:^|[_-])accum(\d+)(?=[_-]|$)")


def batch_in_name(filename: str | None) -> int | None:
    """Return the joined batch that the name of a config tells, None where it tells none.

    Args:
        filename: A name such as ``byol_resnet50_8xb32-accum16-coslr-200e_in1k.py``: 4096.
    """
    name = Path(filename or "").stem
    batch, accumulated = _IN_NAME.search(name), _ACCUMULATED.search(name)
    if batch is None:
        return None
    return int(batch[1]) * int(batch[2]) * (int(accumulated[1]) if accumulated else 1)


def batches_of_a_step(cfg: Config) -> int:
    """Return how many batches a step of the optimizer takes, ``update_interval``."""
    options = optimizer_hook_config(cfg, distributed=False)
    # mmcv's own hook for several batches has another name for it.
    return int(options.get("update_interval", options.get("cumulative_iters", 1)))


def scale_lr(optimizer: Any, cfg: Config, batch_size: int, logger: logging.Logger) -> None:
    """Apply ``auto_scale_lr`` of a config; without it, say where the batch is another one.

    The learning rates of all groups are multiplied. A resumed run then takes those of its
    checkpoint, which are scaled already.

    Args:
        optimizer: One optimizer, or several by name, as built from the config.
        cfg: The config.
        batch_size: Images of one iteration, over all processes.
        logger: The logger.

    Raises:
        UserError: ``auto_scale_lr`` doesn't say for which batch the learning rate was made.
    """
    steps = batches_of_a_step(cfg)
    joined = batch_size * steps
    options: Mapping[str, Any] = cfg.get("auto_scale_lr") or {}
    named = batch_in_name(getattr(cfg, "filename", None))
    base = options.get("base_batch_size", named)
    if options and base is None:
        raise UserError("auto_scale_lr: set base_batch_size, the batch that optimizer.lr is for")
    lr = cfg.optimizer.get("lr")
    if options and lr is None:
        raise UserError("auto_scale_lr: optimizer.lr is not set, so there is nothing to scale")
    if base is None or lr is None:
        return
    size = f"{joined} images ({batch_size} of all processes x update_interval {steps})"
    if options.get("enable", bool(options)):
        several = list(optimizer.values()) if isinstance(optimizer, dict) else [optimizer]
        for one in several:
            multiply_lr(one, joined / base)
        logger.info(
            "auto_scale_lr: the joined batch has %s, optimizer.lr=%g is for %d: the rate is %g",
            size, lr, base, lr * joined / base,
        )  # fmt: skip
    elif joined != base:
        source = "auto_scale_lr" if "base_batch_size" in options else "the name of the config"
        logger.warning(
            "the joined batch has %s, and optimizer.lr=%g was made for %d (%s): set optimizer.lr, "
            "or auto_scale_lr=dict(base_batch_size=%d) for a rate of %g (linear rule)",
            size, lr, base, source, base, lr * joined / base,
        )  # fmt: skip


def multiply_lr(optimizer: Optimizer, factor: float) -> None:
    """Multiply the learning rate of each group, and that which new groups get."""
    for options in (optimizer.defaults, *optimizer.param_groups):
        options["lr"] *= factor
