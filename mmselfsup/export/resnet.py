"""Which ResNet of other libraries a backbone is, by what was built and not by its config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmselfsup.utils.errors import UserError


@dataclass(frozen=True)
class ResNetFacts:
    """The numbers that determine a ResNet.

    Attributes:
        architecture: Its name in timm and torchvision, such as ``resnet50``, ``resnext50_32x4d``;
            '' for widths that have no name there.
        basic: Whether its blocks have two convolutions, not three.
        blocks: Number of blocks of each stage.
        stem: Channels of the stem.
        widths: Output channels of each stage.
        in_channels: Channels of the images.
        stride_first: Whether the first convolution of a bottleneck has the stride (caffe's style).
    """

    architecture: str
    basic: bool
    blocks: tuple[int, ...]
    stem: int
    widths: tuple[int, ...]
    in_channels: int
    stride_first: bool


def is_resnet(backbone: Any) -> bool:
    """Return whether a backbone has the layers of a ResNet with a plain stem."""
    return hasattr(backbone, "res_layers") and hasattr(backbone, "conv1")


def resnet_facts(backbone: Any, library: str) -> ResNetFacts:
    """Return the facts of a ResNet.

    Args:
        backbone: The backbone.
        library: Whose model is wanted: ``torchvision`` and ``timm`` have names for some widths
            only, ``transformers`` has none and takes any.

    Raises:
        UserError: It is no ResNet, or the library has none of this kind.
    """
    if not is_resnet(backbone):
        raise UserError(
            f"{type(backbone).__name__} is no ResNet with a plain stem: {library} has no such model"
        )
    plain = (
        tuple(backbone.strides) == (1, 2, 2, 2)
        and set(backbone.dilations) == {1}
        and max(backbone.out_indices) == len(backbone.res_layers) == 4
        and not backbone.avg_down
    )
    groups = getattr(backbone, "groups", 1)
    basic = not hasattr(backbone.layer1[0], "conv3")
    named = plain and backbone.base_channels == backbone.stem_channels == 64
    named = named and backbone.expansion == (1 if basic else 4) and backbone.style == "pytorch"
    name = f"resnet{backbone.depth}"
    if groups > 1:
        name = f"resnext{backbone.depth}_{groups}x{backbone.width_per_group}d"
    if not plain or (library != "transformers" and not named) or (library == "transformers" and (
        groups > 1 or backbone.expansion != (1 if basic else 4)
    )):  # fmt: skip
        raise UserError(
            f"{library} has no such ResNet (stem {backbone.stem_channels}, base "
            f"{backbone.base_channels} channels, style {backbone.style}, {groups} groups): choose "
            "onnx, torchscript, torch-export or safetensors"
        )
    widths = tuple(backbone.base_channels * backbone.expansion * 2**stage for stage in range(4))
    return ResNetFacts(
        name if named else "", basic, tuple(backbone.stage_blocks), backbone.stem_channels, widths,
        backbone.conv1.weight.shape[1], backbone.style == "caffe",
    )  # fmt: skip
