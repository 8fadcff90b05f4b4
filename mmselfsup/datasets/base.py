"""The base class of datasets: a data source and a pipeline."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch.utils.data import Dataset

from .batched.deferred import defer
from .pipelines.channel_order import order_of
from .pipelines.compose import build_pipeline
from .pipelines.formatting import to_image
from .registry import build_datasource
from .utils import to_numpy


class BaseDataset(Dataset[dict[str, Any]], metaclass=ABCMeta):
    """The images of a data source after a pipeline.

    A subclass defines in ``__getitem__`` what a sample is; ``mmselfsup.datasets.batch`` lists the
    keys that a sample may have.

    Args:
        data_source: Config of the data source, or a data source shared with another dataset.
        pipeline: Configs of the transforms, applied in order.
        prefetch: Leave the images as uint8 tensors [3, H, W]; the loader normalises them. The
            pipeline then ends with a PIL image (no ``ToTensor``, no ``Normalize``).

    Attributes:
        batched_pipelines: Makes the views on the device, see ``mmselfsup.datasets.batched``: one
            batched pipeline, or a list where a sample has a list of views. None where the workers
            make them, () where the dataset has no ``device_transforms``.
    """

    batched_pipelines: Any = ()

    def __init__(
        self,
        data_source: Any,
        pipeline: Sequence[dict[str, Any]],
        prefetch: bool = False,
    ) -> None:
        is_built = not isinstance(data_source, dict)
        self.data_source: Any = data_source if is_built else build_datasource(data_source)
        self.pipeline = self._built(pipeline)
        self.prefetch = prefetch
        self.CLASSES: list[str] | None = self.data_source.CLASSES  # named as in 0.x

    def __len__(self) -> int:
        return len(self.data_source)

    @classmethod
    def views_per_image(cls, config: Mapping[str, Any]) -> int:
        """Return how many views of an image an epoch has, for a config of this dataset."""
        return 1

    @abstractmethod
    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Return the sample ``idx``."""

    def evaluate(self, results: dict[str, Any], logger: Any = None, **kwargs: Any) -> Any:
        """Return the metrics of a model's outputs for all samples; not every dataset has this."""
        raise NotImplementedError(f"{type(self).__name__} has no evaluation")

    def use_classes(self, classes: Sequence[str], where: str, known: str) -> None:
        """Number the classes as ``classes`` does; see ``mmselfsup.datasets.class_order``."""
        renumber = getattr(self.data_source, "use_classes", None)
        if not callable(renumber):  # a source of the user
            return
        renumber(classes, where, known)
        self.CLASSES = self.data_source.CLASSES
        if hasattr(self, "gt_labels"):
            self.gt_labels = self.data_source.get_gt_labels()

    def _built(self, pipeline: Sequence[dict[str, Any]]) -> Any:
        """Return a pipeline for the images of the data source."""
        return build_pipeline(pipeline, order_of(self.data_source))

    def _load(self, idx: int) -> tuple[Any, int]:
        """Return an image for the pipeline, and its own index in the data source."""
        source = self.data_source
        load = getattr(source, "load_for_views", source.load_pixels)  # one of the user has no other
        return load(idx)

    def _view(self, image: Any) -> Any:
        """Return the view of an image, or what is needed to make it later on the device."""
        if self.batched_pipelines:
            return defer([image], [self.batched_pipelines])
        return self._finish(self.pipeline(image))

    def _finish(self, img: Any) -> Any:
        """Return the last image of a prefetch pipeline as a uint8 tensor [3, H, W].

        Without prefetch an image is returned as a PIL image, and a tensor as it is.
        """
        if self.prefetch and isinstance(img, (Image, np.ndarray)):
            return torch.from_numpy(to_numpy(img))
        return to_image(img) if isinstance(img, np.ndarray) else img
