"""The model on its device and the runner of a training."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from mmcv import Config
from mmcv.runner import BaseRunner, build_runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from mmselfsup.utils import dist
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.module import share_weights

from .sharding import divide


def wrap_model(
    model: nn.Module,
    distributed: bool,
    find_unused_parameters: bool | None = False,
    sharding: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Move the model to this process's device; with several ranks, synchronise their gradients.

    Args:
        model: The bare model.
        distributed: Whether all ranks of the process group train it.
        find_unused_parameters: As in ``DistributedDataParallel``.
        sharding: The settings of a config, see ``divide``; with one rank they change nothing.
    """
    device = default_device()
    model = model.to(device)
    trains = any(p.requires_grad for p in model.parameters())
    alone = not distributed or dist.get_world_size() == 1
    if alone or not trains:
        if sharding is not None:
            why = "one process alone has nothing" if alone else "no weight is trained: nothing"
            get_root_logger().info("sharding: %s to divide", why)
        return model
    for buffer in model.buffers():  # queues and memory banks start the same on all ranks
        buffer.copy_(dist.broadcast(buffer))
    if sharding is not None:
        share_weights(model)
        divide(model, sharding)
        return model
    # Newer versions of PyTorch call the argument ``forward_sync_buffers``.
    names = inspect.signature(DistributedDataParallel).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    options: dict[str, Any] = {sync: False}  # running statistics stay each rank's own, as in 0.x
    return DistributedDataParallel(
        model,
        device_ids=None if device.type == "cpu" else [device.index],
        find_unused_parameters=bool(find_unused_parameters),
        gradient_as_bucket_view=True,  # spares a copy of all gradients
        **options,
    )


def make_runner(
    model: nn.Module,
    optimizer: Optimizer,
    cfg: Config,
    logger: logging.Logger,
    timestamp: str | None,
    meta: dict[str, Any] | None,
) -> BaseRunner:
    """Return the runner that ``cfg.runner`` names.

    Raises:
        UserError: It has no epochs or iterations to run.
    """
    parts = dict(
        model=model, optimizer=optimizer, work_dir=cfg.get("work_dir"), logger=logger, meta=meta
    )
    runner_cfg = cfg.get("runner") or dict(type="EpochBasedRunner", max_epochs=cfg.total_epochs)
    for key in ("max_epochs", "max_iters"):
        length = runner_cfg.get(key)
        if length is not None and not (isinstance(length, int) and length > 0):
            raise UserError(f"runner.{key}={length!r}: give a whole number above 0")
    runner = build_runner(runner_cfg, default_args=parts)
    if timestamp is not None:
        runner.timestamp = timestamp
    return runner
