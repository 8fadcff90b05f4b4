"""The classes that the head of start weights has to have: those of the training's data."""

from typing import Any

from mmcv import Config

from mmselfsup.core.checkpoint import DataClasses
from mmselfsup.datasets.loader import data_sources
from mmselfsup.models import ALGORITHMS


def start_classes(model: Any, dataset: Any) -> DataClasses | None:
    """Return the classes of a training's data, None for a model that reads no classes.

    Args:
        model: The model, or its class. The head of one that doesn't read the classes of the data
            (``reads_classes``) has other ones, such as rotations: None.
        dataset: The data set of the training.
    """
    if not getattr(model, "reads_classes", False):
        return None
    names = getattr(dataset, "CLASSES", None) or ()
    same = any(getattr(source, "same_classes", False) for source in data_sources(dataset))
    return DataClasses(tuple(map(str, names)), same)


def classes_of_model(cfg: Config, dataset: Any) -> DataClasses | None:
    """Return ``start_classes`` before there is a model; None for a resume, which replaces all."""
    if cfg.get("resume_from"):
        return None
    kind = (cfg.get("model") or {}).get("type")
    return start_classes(ALGORITHMS.get(kind) if isinstance(kind, str) else kind, dataset)
