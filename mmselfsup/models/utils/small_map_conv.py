"""3x3 convolutions on maps of one or four pixels, as one matrix product.

The last stage of a ResNet sees such maps when the images have 32 or 64 pixels. A convolution there
multiplies mostly padding: on a map of 2x2 pixels each output looks at four pixels through nine
weights. On a CPU the product of the flattened map with the matrix that stands for the convolution
needs fewer operations and runs at the speed of a matrix product.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 2  # pixels of a side; with more, the matrix has more entries than the padding costs
FEWEST = 64  # samples; with fewer, building the matrix of a 2x2 map costs more than it saves


class SmallMapConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 that multiplies matrices where its input is small.

    Same weights, same result up to rounding; any other input goes through torch's convolution.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve [N, C, H, W]."""
        pixels = input.shape[-2:].numel()
        small = max(input.shape[-2:]) <= LARGEST and (pixels == 1 or len(input) >= FEWEST)
        if not small or input.dim() != 4:
            return super().forward(input)
        return small_map_conv2d(input, self.weight, self.bias, self.stride[0])


def small_map_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Convolve a small map with 3x3 weights and padding 1, as one matrix product.

    Args:
        x: [N, C, H, W] with H and W at most 2.
        weight: [O, C, 3, 3].
        bias: [O].
        stride: Of both directions.

    Returns:
        [N, O, ceil(H / stride), ceil(W / stride)], channels innermost in memory.
    """
    if torch.is_autocast_enabled(x.device.type):  # cast before the matrix is built: it is larger
        weight = weight.to(torch.get_autocast_dtype(x.device.type))
    height, width = x.shape[-2:]
    taps = weight.permute(0, 2, 3, 1)  # [O, 3, 3, C]
    outputs = [(i, j) for i in range(0, height, stride) for j in range(0, width, stride)]
    # the output at pixel (i, j) sees pixel (k, l) through the weight at (k - i + 1, l - j + 1)
    rows = [taps[:, 1 - i : 1 - i + height, 1 - j : 1 - j + width] for i, j in outputs]
    matrix = torch.stack(rows).flatten(2).flatten(0, 1)  # [outputs O, H W C]
    if bias is not None:
        bias = bias.repeat(len(outputs))
    y = F.linear(x.permute(0, 2, 3, 1).flatten(1), matrix, bias)
    shape = -(-height // stride), -(-width // stride)
    return y.view(len(x), *shape, len(weight)).permute(0, 3, 1, 2)


def multiply_small_maps(model: nn.Module) -> int:
    """Let the 3x3 convolutions of a model, in place, multiply matrices on small maps.

    Names and weights stay as they are.

    Returns:
        How many convolutions can do so from now on.
    """
    able = [module for module in model.modules() if _is_able(module)]
    for module in able:
        module.__class__ = SmallMapConv2d
    return len(able)


def _is_able(module: nn.Module) -> bool:
    """Whether ``small_map_conv2d`` says what this module does."""
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (3, 3)
        and module.padding == (1, 1)
        and module.padding_mode == "zeros"
        and module.dilation == (1, 1)
        and module.groups == 1
        and module.stride in ((1, 1), (2, 2))
    )
