"""Checkpoints: safe reading, complete writing, and a report of the loaded weights."""

from .backbone import backbone_state, export_backbone
from .load import load_state
from .optimizer_state import load_optimizer_state
from .publish import extract_backbone, publish_model
from .report import LoadReport, Mismatch
from .save import link_latest, save_checkpoint
from .weights import load_weights, weights_of

__all__ = [
    "LoadReport",
    "Mismatch",
    "backbone_state",
    "export_backbone",
    "extract_backbone",
    "link_latest",
    "load_optimizer_state",
    "load_state",
    "load_weights",
    "publish_model",
    "save_checkpoint",
    "weights_of",
]
