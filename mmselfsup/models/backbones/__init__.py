"""Backbones; those of mmcls are available as ``mmcls.X`` in a config."""

from .resnet import ResNet, ResNetV1d
from .resnext import ResNeXt
from .vision_transformer import VisionTransformer

__all__ = ["ResNeXt", "ResNet", "ResNetV1d", "VisionTransformer"]
