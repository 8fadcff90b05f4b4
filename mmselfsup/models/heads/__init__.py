"""Heads: modules that compute losses from features or similarities."""

from .all4one_head import All4OneHead
from .cae_head import CAEHead
from .cls_head import ClsHead
from .contrastive_head import ContrastiveHead
from .cross_correlation_head import LatentCrossCorrelationHead
from .deepclusterv2_head import DeepClusterV2Head
from .dino_head import DINOHead
from .distillation_head import FeatureDistillationHead, SimilarityDistillationHead
from .ibot_head import IBOTHead
from .ijepa_head import IJEPAHead
from .latent_pred_head import LatentClsHead, LatentPredictHead
from .lejepa_head import LeJEPAHead
from .mae_head import MAEFinetuneHead, MAELinprobeHead, MAEPretrainHead
from .maskfeat_head import MaskFeatFinetuneHead, MaskFeatPretrainHead
from .metadata_cls_head import MetadataClsHead
from .mmcr_head import MMCRHead
from .mocov3_head import MoCoV3Head
from .msn_head import MSNHead
from .multi_cls_head import MultiClsHead
from .multi_label_cls_head import MultiLabelClsHead
from .nnclr_head import NNCLRHead
from .ressl_head import ReSSLHead
from .simmim_head import SimMIMHead
from .smog_head import SMoGHead
from .supcon_head import SupConHead
from .swav_head import SwAVHead
from .tico_head import TiCoHead
from .vicreg_head import VIbCRegHead, VICRegHead, VICRegLHead
from .visreg_head import VISRegHead
from .wmse_head import WMSEHead

__all__ = [
    "All4OneHead",
    "CAEHead",
    "ClsHead",
    "ContrastiveHead",
    "DINOHead",
    "DeepClusterV2Head",
    "FeatureDistillationHead",
    "IBOTHead",
    "IJEPAHead",
    "LatentClsHead",
    "LatentCrossCorrelationHead",
    "LatentPredictHead",
    "LeJEPAHead",
    "MAEFinetuneHead",
    "MAELinprobeHead",
    "MAEPretrainHead",
    "MMCRHead",
    "MSNHead",
    "MaskFeatFinetuneHead",
    "MaskFeatPretrainHead",
    "MetadataClsHead",
    "MoCoV3Head",
    "MultiClsHead",
    "MultiLabelClsHead",
    "NNCLRHead",
    "ReSSLHead",
    "SMoGHead",
    "SimMIMHead",
    "SimilarityDistillationHead",
    "SupConHead",
    "SwAVHead",
    "TiCoHead",
    "VICRegHead",
    "VICRegLHead",
    "VISRegHead",
    "VIbCRegHead",
    "WMSEHead",
]
