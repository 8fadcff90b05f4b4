"""How much memory a training step takes, found on the ``meta`` device, which computes shapes only.

What a step keeps for its backward pass is counted where autograd saves it. It grows with the batch
by the same amount for each image, so two sizes tell it for all.
"""

import copy
import os
from dataclasses import dataclass
from typing import Any

import torch
from mmcv import Config
from torch import Tensor, nn

from mmselfsup.models import build_algorithm
from mmselfsup.utils import dist
from mmselfsup.utils.device import default_device
from mmselfsup.utils.seed import rng_untouched

from ..preflight.config_faults import batch_of

_SIZES = 4, 8  # batch normalisation needs several images
#: Numbers that a weight takes: itself, its gradient, two of Adam's.
_COPIES = 4
#: Share of the free memory that a step may take: layers need room to work in, and the loader too.
_SHARE = 0.6


@dataclass(frozen=True)
class StepMemory:
    """The memory of a training step, in bytes.

    Attributes:
        fixed: Weights, gradients, state of the optimizer.
        image: What each image of the batch adds.
    """

    fixed: int
    image: int

    def fitting(self, free: int) -> int:
        """Return the largest batch that fits into ``free`` bytes, at least 1."""
        return max(int((free * _SHARE - self.fixed) // max(self.image, 1)), 1)


def step_memory(cfg: Config, sample: Any) -> StepMemory | None:
    """Return the memory of a training step in float32, None where it can't be found.

    Methods that need values in their forward pass don't run on the ``meta`` device.

    Args:
        cfg: The config.
        sample: One sample of the data set.
    """
    with rng_untouched(), dist.alone():
        try:
            with torch.device("meta"):
                model: Any = build_algorithm(copy.deepcopy(cfg.model)).train()
            first, second = (_saved_bytes(model, batch_of(model, sample, size)) for size in _SIZES)
        except Exception:  # an error of the config is reported by the run itself
            return None
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return StepMemory(_COPIES * weights, max(second - first, 0) // (_SIZES[1] - _SIZES[0]))


def _saved_bytes(model: nn.Module, batch: Any) -> int:
    """Return the bytes that autograd keeps of a forward pass, weights left out."""
    sizes: dict[int, int] = {}
    kept: list[Tensor] = []  # so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept.append(tensor)
        sizes[storage._cdata] = storage.nbytes()
        return tensor

    with torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        losses = model(**batch)  # alive until all is counted
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    total = sum(size for address, size in sizes.items() if address not in weights)
    del losses
    return total


def free_memory() -> int:
    """Return the bytes that a training may use on the device of this process."""
    device = default_device()
    if device.type != "cpu":
        return int(torch.cuda.mem_get_info(device)[0])
    # macOS doesn't say what is free.
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return int(os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE"))
