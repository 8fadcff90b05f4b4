"""Images with labels that a clustering gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..utils.errors import ArgumentError
from .base import BaseDataset
from .builder import DATASETS
from .device.plan import view_plans


@DATASETS.register_module()
class DeepClusterDataset(BaseDataset):
    """One image, its cluster and its index. Caron et al. 2018, section 3.2.

    The clusters lie in memory that loader workers share with the main process, so that persistent
    workers see new ones too.

    Args:
        data_source: See `BaseDataset`.
        pipeline: Configs of the transforms.
        prefetch: See `BaseDataset`.
        device_transforms: See `SingleViewDataset`.
    """

    def __init__(
        self,
        data_source: Any,
        pipeline: Sequence[dict[str, Any]],
        prefetch: bool = False,
        device_transforms: bool = False,
    ) -> None:
        super().__init__(data_source, pipeline, prefetch)
        self.plans = view_plans([self.pipeline])[0] if device_transforms else None
        self._clusters = torch.full((len(self.data_source),), -1).share_memory_()  # int64

    @property
    def clustering_labels(self) -> NDArray[np.int64]:
        """The cluster of each image, [len]; -1 before the first clustering."""
        return self._clusters.numpy()

    def assign_labels(self, labels: ArrayLike) -> None:
        """Give every image the cluster that it has from now on.

        Args:
            labels: [len], integers from 0.

        Raises:
            ArgumentError: Not one label for each image.
        """
        values = np.asarray(labels)
        if values.shape != (len(self),):
            raise ArgumentError(f"got labels {values.shape} for {len(self)} images")
        self._clusters.copy_(torch.from_numpy(values.astype(np.int64)))

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, source_idx = self.data_source.load_pixels(idx)
        cluster = int(self._clusters[source_idx])
        return {"img": self._view(image), "pseudo_label": cluster, "idx": idx}
