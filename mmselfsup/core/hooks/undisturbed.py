"""Look through a model in the middle of its training, and leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from mmselfsup.utils.module import unwrap
from mmselfsup.utils.rng_state import rng_untouched

from .eval_hook import share_statistics


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[nn.Module]:
    """Give the bare model in eval mode, without gradients, alike on all ranks.

    At the end of the block the mode of every module, all buffers (the ranks' own batch-norm
    statistics among them) and the random state are as they were.

    Args:
        model: bare or wrapped; a collective call.
    """
    module = unwrap(model)
    modes = {part: part.training for part in module.modules()}
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
