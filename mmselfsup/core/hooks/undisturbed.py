"""Evaluation of a model during its training, without any effect on the training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from mmselfsup.utils.module import unwrap
from mmselfsup.utils.seed import rng_untouched

from .eval_hook import share_statistics


@contextmanager
def isolated_eval(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the bare model in eval mode, without gradients, the same on all ranks.

    At the end of the block the mode of every module, all buffers (among them each rank's own
    batch-norm statistics) and the random state are as before.

    Args:
        model: The model, bare or wrapped. All ranks must call this together.
    """
    module = unwrap(model)
    modes = {part: part.training for part in module.modules()}
    # Before share_statistics, which overwrites buffers.
    buffers = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    with rng_untouched(), torch.no_grad():
        try:
            module.eval()
            share_statistics(module)
            yield module
        finally:
            for part, training in modes.items():
                part.training = training
            for buffer, before in buffers:
                buffer.copy_(before)
