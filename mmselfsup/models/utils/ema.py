"""Target networks: a copy at the start, then an exponential moving average of the online weights.

Sources: He et al. 2020 (MoCo), equation 2; Grill et al. 2020 (BYOL), section 3.1.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from mmselfsup.utils.sharding import keep_writes, local

from .adapters import plain_parameters, plain_state
from .precision import without_autocast

Pairs = Iterable[tuple[nn.Module, nn.Module]]


@torch.no_grad()
def copy_to_targets(pairs: Pairs) -> None:
    """Make every target equal to its online module, buffers included, and stop its gradients.

    Args:
        pairs: (online, target) modules of the same structure. Adapters of the online module (LoRA)
            are merged: the target has ordinary weights.
    """
    for online, target in pairs:
        target.load_state_dict(plain_state(online))
        target.requires_grad_(False)


@torch.no_grad()
def update_targets(pairs: Pairs, momentum: float) -> None:
    """Move the targets one step: target <- momentum * target + (1 - momentum) * online.

    Only parameters are updated: the batch normalisation of a target has its own running statistics,
    as in MoCo, BYOL and MMSelfSup 0.x. Nothing waits for the device.

    Args:
        pairs: (online, target) modules of the same structure. Where the online module has adapters
            (LoRA), the target follows the adapted weights.
        momentum: Coefficient of the old weights, 0 to 1.

    Raises:
        ValueError: The momentum lies outside 0..1.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must lie in 0..1, got {momentum}")
    for online, target in pairs:
        old: list[Tensor] = local(target.parameters())
        if not old:
            continue
        # Some methods move their targets in the forward pass, where autocast would round the
        # product of matrices that LoRA adds to a weight.
        with without_autocast(old[0].device.type):
            new: list[Tensor] = local(plain_parameters(online))
            torch._foreach_lerp_(old, new, 1 - momentum)  # one kernel for all parameters
        keep_writes(target)


def without_drop_path(network: nn.Module) -> None:
    """Switch off the stochastic depth of a target network, in place: its outputs are the targets.

    Backbones of mmcv, timm and torchvision have a class of their own for it.
    """
    for module in network.modules():
        if isinstance(module, StochasticDepth):  # torchvision's
            module.p = 0.0
        elif any(kind.__name__ == "DropPath" for kind in type(module).__mro__):
            # mmcv's, and timm's, which is not imported here
            module.drop_prob = 0.0  # type: ignore[assignment]
