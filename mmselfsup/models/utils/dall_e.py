"""The image tokenizer of DALL-E: Ramesh et al. 2021, "Zero-Shot Text-to-Image Generation", ICML.

Only its encoder, which turns each 8 x 8 pixels into scores of V visual words. Names of weights are
those of the published checkpoints. Letters: N images, C channels, H, W size of a map, V words.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv2d(nn.Module):
    """A convolution that keeps the size, with the weight names ``w`` and ``b`` of DALL-E.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output.
        kw: Side of the kernel, odd.
        requires_grad: Whether the weights train.
    """

    def __init__(self, n_in: int, n_out: int, kw: int, requires_grad: bool = False) -> None:
        super().__init__()
        weight = torch.empty(n_out, n_in, kw, kw).normal_(std=1 / math.sqrt(n_in * kw**2))
        self.w = nn.Parameter(weight, requires_grad=requires_grad)
        self.b = nn.Parameter(torch.zeros(n_out), requires_grad=requires_grad)
        self.padding = (kw - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return maps [N, n_out, H, W] for maps [N, n_in, H, W]."""
        return F.conv2d(x, self.w, self.b, padding=self.padding)


class EncoderBlock(nn.Module):
    """Four convolutions with a shortcut.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output, a multiple of 4.
        n_layers: Convolutional blocks of the whole encoder; their branches are divided by its
            square.
        requires_grad: Whether the weights train.
    """

    def __init__(self, n_in: int, n_out: int, n_layers: int, requires_grad: bool = False) -> None:
        super().__init__()
        hidden = n_out // 4
        self.post_gain = 1 / n_layers**2
        widths = [(n_in, hidden, 3), (hidden, hidden, 3), (hidden, hidden, 3), (hidden, n_out, 1)]
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (into, out, side) in enumerate(widths, start=1):
            layers[f"relu_{i}"] = nn.ReLU()
            layers[f"conv_{i}"] = Conv2d(into, out, side, requires_grad)
        self.id_path = Conv2d(n_in, n_out, 1, requires_grad) if n_in != n_out else nn.Identity()
        self.res_path = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps [N, n_out, H, W] for maps [N, n_in, H, W]."""
        return self.id_path(x) + self.post_gain * self.res_path(x)


class Encoder(nn.Module):
    """The encoder of DALL-E's discrete variational autoencoder.

    Args:
        n_hid: Channels after the first convolution; each group doubles them.
        n_blk_per_group: Blocks of a group.
        input_channels: Channels of the images.
        vocab_size: V.
        requires_grad: Whether the weights train.
    """

    group_count = 4

    def __init__(
        self,
        n_hid: int = 256,
        n_blk_per_group: int = 2,
        input_channels: int = 3,
        vocab_size: int = 8192,
        requires_grad: bool = False,
    ) -> None:
        super().__init__()
        num_blocks = self.group_count * n_blk_per_group
        widths = [n_hid * 2**i for i in range(self.group_count)]
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        blocks["input"] = Conv2d(input_channels, n_hid, 7, requires_grad)
        before = n_hid
        for group, width in enumerate(widths, start=1):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(1, n_blk_per_group + 1):
                layers[f"block_{i}"] = EncoderBlock(before, width, num_blocks, requires_grad)
                before = width
            if group < self.group_count:
                layers["pool"] = nn.MaxPool2d(kernel_size=2)
            blocks[f"group_{group}"] = nn.Sequential(layers)
        blocks["output"] = nn.Sequential(
            OrderedDict(relu=nn.ReLU(), conv=Conv2d(before, vocab_size, 1, requires_grad))
        )
        self.blocks = nn.Sequential(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores [N, V, H/8, W/8] of the words.

        Args:
            x: Images [N, input_channels, H, W], H and W multiples of 8.
        """
        return self.blocks(x)
