"""Checkpoints: safe reading, complete writing, and a report of the loaded weights."""

from .load import in_memory, load_state
from .newest import newest_checkpoint
from .optimizer_state import load_optimizer_state
from .pretrained import PretrainedInit
from .publish import extract_backbone, publish_model
from .save import backbone_of, backbone_state, export_backbone, link_latest, save_checkpoint
from .weights import LoadReport, Mismatch, load_weights, weights_of

__all__ = [
    "LoadReport",
    "Mismatch",
    "PretrainedInit",
    "backbone_of",
    "backbone_state",
    "export_backbone",
    "extract_backbone",
    "in_memory",
    "link_latest",
    "load_optimizer_state",
    "load_state",
    "load_weights",
    "newest_checkpoint",
    "publish_model",
    "save_checkpoint",
    "weights_of",
]
