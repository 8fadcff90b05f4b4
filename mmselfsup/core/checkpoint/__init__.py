"""Checkpoints: safe reading, complete writing, and a report of the loaded weights."""

from .class_rows import DataClasses, classes_at_start
from .load import class_names, in_memory, load_state, meta_of
from .newest import STOPPED_FILE, newest_checkpoint
from .optimizer_state import load_optimizer_state
from .pretrained import PretrainedInit
from .publish import extract_backbone, publish_model
from .same_network import Mismatch
from .save import backbone_of, backbone_state, export_backbone, link_latest, save_checkpoint
from .stored_weights import weights_of
from .weights import LoadReport, load_weights

__all__ = [
    "STOPPED_FILE",
    "DataClasses",
    "LoadReport",
    "Mismatch",
    "PretrainedInit",
    "backbone_of",
    "backbone_state",
    "class_names",
    "classes_at_start",
    "export_backbone",
    "extract_backbone",
    "in_memory",
    "link_latest",
    "load_optimizer_state",
    "load_state",
    "load_weights",
    "meta_of",
    "newest_checkpoint",
    "publish_model",
    "save_checkpoint",
    "weights_of",
]
