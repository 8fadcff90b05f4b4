"""3x3 convolutions on maps of up to 2x2 pixels, as one matrix product.

The last stage of a ResNet has such maps for images of 32 or 64 pixels. A convolution of these maps
multiplies mostly padding: on 2x2 pixels each output uses four pixels and nine weights. On a CPU the
product of the flattened map with the matrix of the convolution needs fewer operations and runs at
the speed of a matrix product.

Letters: N batch, C input channels, O output channels, H, W size of the map in pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 2  # pixels per side; with more, the matrix costs more than the padding
FEWEST = 64  # samples; with fewer, building the matrix of a 2x2 map costs more than it saves


class SmallMapConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 that uses a matrix product for small maps.

    Weights and arguments are those of ``nn.Conv2d``, and so is the result up to rounding. Larger
    maps go through torch's convolution.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve a map [N, C, H, W]; see ``small_map_conv2d`` for the size of the result."""
        pixels = input.shape[-2:].numel()
        small = max(input.shape[-2:]) <= LARGEST and (pixels == 1 or len(input) >= FEWEST)
        if not small or input.dim() != 4:
            return super().forward(input)
        return small_map_conv2d(input, self.weight, self.bias, self.stride[0])


def small_map_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Return the convolution of a small map with 3x3 weights and padding 1, as a matrix product.

    Args:
        x: Map [N, C, H, W] with H and W at most 2.
        weight: Weights [O, C, 3, 3].
        bias: Bias [O], or None.
        stride: Stride in both directions, 1 or 2.

    Returns:
        Map [N, O, ceil(H / stride), ceil(W / stride)], in channels-last memory format.
    """
    if torch.is_autocast_enabled(x.device.type):  # cast the weights, not the matrix: it is larger
        weight = weight.to(torch.get_autocast_dtype(x.device.type))
    height, width = x.shape[-2:]
    taps = weight.permute(0, 2, 3, 1)  # [O, 3, 3, C]
    outputs = [(i, j) for i in range(0, height, stride) for j in range(0, width, stride)]
    # The output at pixel (i, j) multiplies pixel (k, l) by the weight at (k - i + 1, l - j + 1).
    rows = [taps[:, 1 - i : 1 - i + height, 1 - j : 1 - j + width] for i, j in outputs]
    matrix = torch.stack(rows).flatten(2).flatten(0, 1)  # [outputs O, H W C]
    if bias is not None:
        bias = bias.repeat(len(outputs))
    y = F.linear(x.permute(0, 2, 3, 1).flatten(1), matrix, bias)
    shape = -(-height // stride), -(-width // stride)
    return y.view(len(x), *shape, len(weight)).permute(0, 3, 1, 2)


def multiply_small_maps(model: nn.Module) -> int:
    """Replace the 3x3 convolutions of a model by ``SmallMapConv2d``, in place.

    Names and weights of modules don't change.

    Returns:
        Number of convolutions replaced.
    """
    able = [module for module in model.modules() if _is_able(module)]
    # Changing the class leaves parameters, hooks and names of the module untouched.
    for module in able:
        module.__class__ = SmallMapConv2d
    return len(able)


def _is_able(module: nn.Module) -> bool:
    """Return whether ``small_map_conv2d`` computes the same as this module."""
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (3, 3)
        and module.padding == (1, 1)
        and module.padding_mode == "zeros"
        and module.dilation == (1, 1)
        and module.groups == 1
        and module.stride in ((1, 1), (2, 2))
    )
