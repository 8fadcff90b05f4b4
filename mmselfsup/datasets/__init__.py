"""The data side: sources, datasets, pipelines, samplers and loaders."""

from . import data_sources, pipelines, samplers
from .base import BaseDataset
from .builder import build_dataloader, build_dataset
from .dataset_wrappers import ConcatDataset, RepeatDataset
from .deepcluster import DeepClusterDataset
from .multi_view import MultiViewDataset
from .registry import DATASETS, DATASOURCES, PIPELINES, build_datasource
from .relative_loc import RelativeLocDataset
from .rotation_pred import RotationPredDataset
from .single_view import SingleViewDataset

__all__ = [
    "DATASETS",
    "DATASOURCES",
    "PIPELINES",
    "BaseDataset",
    "ConcatDataset",
    "DeepClusterDataset",
    "MultiViewDataset",
    "RelativeLocDataset",
    "RepeatDataset",
    "RotationPredDataset",
    "SingleViewDataset",
    "build_dataloader",
    "build_dataset",
    "build_datasource",
    "data_sources",
    "pipelines",
    "samplers",
]
