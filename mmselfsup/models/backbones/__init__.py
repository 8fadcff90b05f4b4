"""Backbones; those of mmcls are available as ``mmcls.X`` in a config, as are ``timm.X`` and
``torchvision.X``."""

from .cae_vit import CAEViT
from .ibot_vit import IBOTViT
from .ijepa_vit import IJEPAViT
from .mae_vit import MAEViT
from .maskfeat_vit import MaskFeatViT
from .mim_cls_vit import MIMVisionTransformer
from .msn_vit import MSNViT
from .resnet import ResNet, ResNetV1d
from .resnext import ResNeXt
from .simmim_swin import SimMIMSwinTransformer
from .timm_backbone import NamedTimmBackbone, TimmBackbone
from .torchvision_backbone import TorchvisionBackbone
from .vision_transformer import VisionTransformer

__all__ = [
    "CAEViT",
    "IBOTViT",
    "IJEPAViT",
    "MAEViT",
    "MIMVisionTransformer",
    "MSNViT",
    "MaskFeatViT",
    "NamedTimmBackbone",
    "ResNeXt",
    "ResNet",
    "ResNetV1d",
    "SimMIMSwinTransformer",
    "TimmBackbone",
    "TorchvisionBackbone",
    "VisionTransformer",
]
