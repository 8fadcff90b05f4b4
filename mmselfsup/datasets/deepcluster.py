"""Images whose labels are the clusters that they were assigned to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mmselfsup.utils.errors import ArgumentError

from .base import BaseDataset
from .batched.pipeline import build_batched_pipelines
from .registry import DATASETS


@DATASETS.register_module()
class DeepClusterDataset(BaseDataset):
    """One image, its cluster and its index. Caron et al. 2018, section 3.2.

    The clusters are stored in memory that loader workers share with the main process, so that
    persistent workers see a new clustering too.

    Args:
        data_source: See ``BaseDataset``.
        pipeline: Configs of the transforms.
        prefetch: See ``BaseDataset``.
        device_transforms: See ``SingleViewDataset``.
    """

    def __init__(
        self,
        data_source: Any,
        pipeline: Sequence[dict[str, Any]],
        prefetch: bool = False,
        device_transforms: bool = False,
    ) -> None:
        super().__init__(data_source, pipeline, prefetch)
        if device_transforms:
            self.batched_pipelines = build_batched_pipelines([self.pipeline])[0]
        else:
            self.batched_pipelines = None
        self._clusters = torch.full((len(self.data_source),), -1).share_memory_()  # int64

    @property
    def clustering_labels(self) -> NDArray[np.int64]:
        """Return the cluster of each image, [len]; -1 before the first clustering."""
        return self._clusters.numpy()

    def assign_labels(self, labels: ArrayLike) -> None:
        """Set the cluster of every image.

        Args:
            labels: [len], integers from 0.

        Raises:
            ArgumentError: The number of labels is not that of the images.
        """
        values = np.asarray(labels)
        if values.shape != (len(self),):
            raise ArgumentError(f"got labels {values.shape} for {len(self)} images")
        self._clusters.copy_(torch.from_numpy(values.astype(np.int64)))

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, source_idx = self._load(idx)
        cluster = int(self._clusters[source_idx])  # of the image that was read, if one was skipped
        return {"img": self._view(image), "pseudo_label": cluster, "idx": idx}
