"""Heads: from features or similarities to losses."""

from .cls_head import ClsHead
from .contrastive_head import ContrastiveHead
from .multi_cls_head import MultiClsHead

__all__ = ["ClsHead", "ContrastiveHead", "MultiClsHead"]
