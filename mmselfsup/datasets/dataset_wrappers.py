"""Datasets made of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import ConcatDataset as TorchConcatDataset

from mmselfsup.metrics.heads import evaluate_heads
from mmselfsup.utils.errors import UserError

from .class_order import use_classes
from .registry import DATASETS


@DATASETS.register_module()
class ConcatDataset(TorchConcatDataset[Any]):
    """Datasets one after the other; the ``idx`` of a sample counts over all of them.

    So a memory bank has one row for each image. In MMSelfSup 0.x ``idx`` counted within each
    dataset, and images of different datasets shared a row.

    Args:
        datasets: The datasets; the classes are those of the first. Where the others name theirs,
            they are numbered as in the first.

    Raises:
        UserError: Some of them have patients for their images, others don't; or one with labels
            has a class that the first does not have.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        super().__init__(datasets)
        known = {getattr(dataset, "has_patients", False) for dataset in datasets}
        self.has_patients = known == {True}
        if len(known) > 1:
            raise UserError(
                "some of the joined data sets have patients in their data source, others don't: "
                "give all of them a CSV file, or none"
            )
        self.CLASSES: list[str] | None = datasets[0].CLASSES
        if all(hasattr(dataset, "gt_labels") for dataset in datasets):
            self._number(self.CLASSES, "a joined data set", "the first of them")
        if all(hasattr(dataset, "flag") for dataset in datasets):  # groups of a GroupSampler
            self.flag = np.concatenate([dataset.flag for dataset in datasets])

    def use_classes(self, classes: Sequence[str], where: str, known: str) -> None:
        """Number the classes as ``classes`` does; see ``mmselfsup.datasets.class_order``."""
        self._number(classes, where, known)
        self.CLASSES = self.datasets[0].CLASSES  # type: ignore[attr-defined]

    def _number(self, classes: Sequence[str] | None, where: str, known: str) -> None:
        """Number the classes of all parts alike, and join their labels."""
        parts = cast("list[Any]", self.datasets)
        for dataset in parts:
            use_classes(dataset, classes, where, known)
        self.gt_labels = np.concatenate([dataset.gt_labels for dataset in parts])

    def __getitem__(self, idx: int) -> Any:
        sample = super().__getitem__(idx)
        if isinstance(sample, dict) and "idx" in sample:
            sample["idx"] = idx % len(self)  # a negative index counts from the end
        return sample

    def evaluate(
        self,
        results: dict[str, Any],
        logger: Any = None,
        topk: Any = (1, 5),
        unk_threshold: float | None = None,
        bootstrap: int = 0,
        **kwargs: Any,
    ) -> dict[str, float]:
        """Return the metrics of all datasets together, see ``SingleViewDataset.evaluate``."""
        sources = [dataset.data_source for dataset in cast("list[Any]", self.datasets)]
        labels = np.concatenate([source.get_gt_labels() for source in sources])
        parts: list[Any] = [getattr(source, "lesions", None) for source in sources]
        lesions = None if None in parts else [lesion for part in parts for lesion in part]
        options = {"unk_threshold": unk_threshold, "bootstrap": bootstrap}
        return evaluate_heads(results, labels, self.CLASSES, topk, logger, lesions, **options)


@DATASETS.register_module()
class RepeatDataset:
    """A dataset several times over, so that an epoch is longer and workers start less often.

    Args:
        dataset: The dataset.
        times: Number of repetitions in an epoch.
    """

    def __init__(self, dataset: Any, times: int) -> None:
        self.dataset = dataset
        self.times = times
        self.CLASSES: list[str] | None = dataset.CLASSES
        self.has_patients: bool = getattr(dataset, "has_patients", False)
        self._ori_len = len(dataset)
        self.num_images = len(dataset)  # different ones; ``idx`` counts these
        if hasattr(dataset, "gt_labels"):
            self.gt_labels = self._repeated(dataset.gt_labels)
        if hasattr(dataset, "flag"):
            self.flag = self._repeated(dataset.flag)

    def _repeated(self, values: ArrayLike) -> NDArray[Any]:
        """Return the values of all samples, [len] or [len, L], for values of the different ones."""
        array = np.asarray(values)
        return np.tile(array, (self.times, *[1] * (array.ndim - 1)))

    def use_classes(self, classes: Sequence[str], where: str, known: str) -> None:
        """Number the classes as ``classes`` does; see ``mmselfsup.datasets.class_order``."""
        use_classes(self.dataset, classes, where, known)
        self.CLASSES = self.dataset.CLASSES
        self.gt_labels = self._repeated(self.dataset.gt_labels)

    def __getitem__(self, idx: int) -> Any:
        if not -len(self) <= idx < len(self):  # ends ``for sample in dataset``
            raise IndexError(f"index {idx} of {len(self)} samples")
        return self.dataset[idx % self._ori_len]

    def __len__(self) -> int:
        return self.times * self._ori_len
