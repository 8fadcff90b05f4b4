"""``sharding`` of a config: parameters, gradients and optimizer state divided among the ranks.

``sharding=dict(type='fsdp2')`` takes the place of ``DistributedDataParallel``, which keeps all of
them on each rank. Losses and weights are those of ``DistributedDataParallel`` up to the rounding of
sums. Checkpoints are gathered on the first rank: one process loads them, and so does a training
with another number of ranks, or without sharding.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mmselfsup.models.utils.backbone_parts import blocks_of
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.sharding import load_kinds, shard_model

TYPES = ("fsdp2",)
_DTYPES = {None: None, "bfloat16": torch.bfloat16}
# Settings of a config that exclude it, and why.
_EXCLUDED = {
    "compile": "compiled networks take whole parameters",
    "channels_last": "its parts are rows, and have the usual layout",
    "fp16": "the loss scaler looks at whole gradients; use amp=dict(dtype='bfloat16')",
    "adapt": "it trains few weights, whose gradients and state need no room",
}


def check_sharding(model: nn.Module, cfg: Mapping[str, Any]) -> None:
    """Check that ``sharding`` is known, and that the model and the other settings allow it.

    Args:
        model: The bare model.
        cfg: The config.

    Raises:
        UserError: They don't, or PyTorch is too old.
    """
    options = cfg.get("sharding")
    if options is None:
        return
    if options.get("type") not in TYPES:
        raise UserError(f"sharding.type is {options.get('type')!r}: use {' or '.join(TYPES)}")
    load_kinds()
    dtype = options.get("param_dtype")
    if dtype not in _DTYPES:
        raise UserError(f"sharding.param_dtype is {dtype!r}: use 'bfloat16', or leave it out")
    for name, why in _EXCLUDED.items():
        value = cfg.get(name)
        if value or (name == "fp16" and value is not None):  # fp16=dict() is on as well
            raise UserError(f"sharding excludes {name}: {why}; leave one of them out")
    if getattr(model, "amp_dtype", None) is torch.float16:
        raise UserError(f"sharding excludes float16: {_EXCLUDED['fp16']}")
    if dtype is not None and getattr(model, "amp_dtype", None) is not _DTYPES[dtype]:
        raise UserError(f"sharding.param_dtype={dtype!r} needs amp=dict(dtype={dtype!r})")
    why = getattr(model, "not_sharded", "")
    if why:
        raise UserError(f"sharding: {type(model).__name__} {why}; leave sharding out")


def divide(model: nn.Module, options: Mapping[str, Any]) -> None:
    """Shard a model as ``sharding`` says, in place; a collective.

    The blocks of all its networks (see ``blocks_of``), those of targets and decoders among them,
    are gathered one at a time.

    Args:
        model: The bare model on its device, the same on all ranks.
        options: ``type``, and ``param_dtype``: the dtype in which the weights of blocks travel and
            are used, ``'bfloat16'`` or None for their own.
    """
    blocks = blocks_of(model)
    shard_model(model, blocks, _DTYPES[options.get("param_dtype")])
    get_root_logger().info(
        "sharding: parameters, gradients and optimizer state are divided among the ranks; "
        "%d blocks are gathered one at a time", len(blocks),
    )  # fmt: skip
