"""What every dataset has: a data source and a pipeline."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch.utils.data import Dataset

from .builder import build_datasource, build_pipeline
from .device.collate import defer
from .pipelines.pixels import to_image
from .utils import to_numpy


class BaseDataset(Dataset[dict[str, Any]], metaclass=ABCMeta):
    """Images of a data source, sent through a pipeline.

    A subclass says in `__getitem__` what a sample is; `mmselfsup.datasets.batch` holds the keys
    that a sample may have.

    Args:
        data_source: Config of the data source, or a data source that another dataset has too.
        pipeline: Configs of the transforms, applied in order.
        prefetch: Leave the images as uint8 tensors [3, H, W]; the loader normalises them. The
            pipeline then ends with a PIL image (no `ToTensor`, no `Normalize`).

    Attributes:
        plans: How the views are made on the device, where they are, see
            `mmselfsup.datasets.device`: one plan, or a list where a sample has a list of views.
            None where the workers make them, () where a dataset knows no other way.
    """

    plans: Any = ()

    def __init__(
        self,
        data_source: Any,
        pipeline: Sequence[dict[str, Any]],
        prefetch: bool = False,
    ) -> None:
        ready = not isinstance(data_source, dict)
        self.data_source: Any = data_source if ready else build_datasource(data_source)
        self.pipeline = build_pipeline(pipeline)
        self.prefetch = prefetch
        self.CLASSES: list[str] | None = self.data_source.CLASSES

    def __len__(self) -> int:
        return len(self.data_source)

    @abstractmethod
    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Make the sample `idx`."""

    def evaluate(self, results: dict[str, Any], logger: Any = None, **kwargs: Any) -> Any:
        """Turn the outputs of a model for all samples into metrics; not every dataset can."""
        raise NotImplementedError(f"{type(self).__name__} has no evaluation")

    def _view(self, image: Any) -> Any:
        """What the pipeline makes of an image; or what is needed to make it on the device."""
        if self.plans:
            return defer([image], [self.plans])
        return self._finish(self.pipeline(image))

    def _finish(self, img: Any) -> Any:
        """Turn an image at the end of a prefetch pipeline into a uint8 tensor [3, H, W].

        Of any other pipeline that ends with an image, it is a PIL image.
        """
        if self.prefetch and isinstance(img, (Image, np.ndarray)):
            return torch.from_numpy(to_numpy(img))
        return to_image(img) if isinstance(img, np.ndarray) else img
