"""Convolutions whose weight gradient damages the memory of the process, in one layout on some CPUs.

The oneDNN of torch 2.15.0 writes past a buffer in the weight gradient of a 1x1 convolution with a
stride, in channels_last, with fewer input channels than a block of its kernel for AVX2 (oneDNN
#6035); the process ends at any later moment. A ResNet has such convolutions in its shortcuts, of 64
channels and more at its usual width.
"""

import torch
from torch import nn

_BLOCK = 8  # channels of a block of the kernel for AVX2


def unsafe_in_channels_last(model: nn.Module, device: torch.device) -> list[str]:
    """Return the names of the convolutions that are unsafe to train in channels_last.

    Args:
        model: The model.
        device: Where it runs; only on a CPU without AVX-512, where oneDNN is in use, any are named.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.enabled:
        return []
    if "AVX512" in torch.backends.cpu.get_cpu_capability():
        return []
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
        and module.in_channels < _BLOCK
        and set(module.kernel_size) == {1}
        and max(module.stride) > 1
    ]
