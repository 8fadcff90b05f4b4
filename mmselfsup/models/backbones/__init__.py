"""Backbones; those of mmcls are available as ``mmcls.X`` in a config."""

from .mae_vit import MAEViT
from .mim_cls_vit import MIMVisionTransformer
from .resnet import ResNet, ResNetV1d
from .resnext import ResNeXt
from .vision_transformer import VisionTransformer

__all__ = ["MAEViT", "MIMVisionTransformer", "ResNeXt", "ResNet", "ResNetV1d", "VisionTransformer"]
