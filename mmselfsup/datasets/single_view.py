"""One view of each image, with its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmselfsup.metrics.heads import evaluate_heads

from .base import BaseDataset
from .batched.pipeline import build_batched_pipelines
from .registry import DATASETS


@DATASETS.register_module()
class SingleViewDataset(BaseDataset):
    """One image, its label and its index, and its patient where the data source has patients.

    Args:
        data_source: Config of the data source.
        pipeline: Configs of the transforms.
        prefetch: See ``BaseDataset``.
        device_transforms: Make the views in batches on the model's device, see
            ``mmselfsup.datasets.batched``; for training.
    """

    def __init__(
        self,
        data_source: dict[str, Any],
        pipeline: Sequence[dict[str, Any]],
        prefetch: bool = False,
        device_transforms: bool = False,
    ) -> None:
        super().__init__(data_source, pipeline, prefetch)
        if device_transforms:
            self.batched_pipelines = build_batched_pipelines([self.pipeline])[0]
        else:
            self.batched_pipelines = None
        self.gt_labels = self.data_source.get_gt_labels()  # [len] or [len, L]
        self.patients = getattr(self.data_source, "patients", None)  # [len, D]
        self.has_patients = self.patients is not None

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, source_idx = self._load(idx)
        sample = {"img": self._view(image), "label": self.gt_labels[source_idx], "idx": idx}
        if self.patients is not None:
            sample["patient"] = self.patients[source_idx]
        return sample

    def evaluate(
        self,
        results: dict[str, Any],
        logger: Any = None,
        topk: int | Sequence[int] = (1, 5),
        unk_threshold: float | None = None,
        bootstrap: int = 0,
        **kwargs: Any,
    ) -> dict[str, float]:
        """Return the metrics of each head's scores against the labels.

        Args:
            results: For each head, such as ``head0``, its scores [len, C], in the order of the
                dataset.
            logger: Logger or its name; None is silent.
            topk: Which top-k accuracies to return.
            unk_threshold: An image whose highest probability is below counts as ``UNK``.
            bootstrap: Resamples for the 95 % intervals; 0 leaves them out.
            **kwargs: Ignored, so that configs may carry options of other datasets.

        Returns:
            See ``mmselfsup.metrics.heads.evaluate_heads``. Where the data source knows the
            lesions (``metadata``), the metrics are given for each image source too, and the
            bootstrap draws whole lesions.
        """
        options = {"unk_threshold": unk_threshold, "bootstrap": bootstrap}
        lesions = getattr(self.data_source, "lesions", None)
        return evaluate_heads(
            results, self.gt_labels, self.CLASSES, topk, logger, lesions, **options
        )
