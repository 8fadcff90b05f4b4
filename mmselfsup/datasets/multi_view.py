"""Several views of each image, for contrastive and self-distillation methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmselfsup.utils.errors import ArgumentError

from .base import BaseDataset
from .batched.deferred import defer
from .batched.pipeline import build_batched_pipelines
from .lesion_positives import LesionPositives
from .registry import DATASETS


@DATASETS.register_module()
class MultiViewDataset(BaseDataset):
    """V views of one image, its index, and its label on request.

    Args:
        data_source: Config of the data source.
        num_views: Number of views of each pipeline, such as ``[2, 6]`` for 2 large and 6 small
            crops; V is their sum.
        pipelines: One list of transforms for each entry of ``num_views``.
        prefetch: See ``BaseDataset``.
        lesion_positives: ``dict(metadata=CSV, held_out=LIST, prob=1.0)``: the second view comes
            from another image of the same lesion, where there is one (MICLe, Azizi et al. 2021),
            see ``LesionPositives``; None: all views come from one image.
        with_label: Add the label of the image, -1 where it has none, for methods that take labels.
        device_transforms: Make the views in batches on the model's device, see
            ``mmselfsup.datasets.batched``; for training.
    """

    def __init__(
        self,
        data_source: dict[str, Any],
        num_views: Sequence[int],
        pipelines: Sequence[Sequence[dict[str, Any]]],
        prefetch: bool = False,
        lesion_positives: dict[str, Any] | None = None,
        device_transforms: bool = False,
        with_label: bool = False,
    ) -> None:
        if len(num_views) != len(pipelines) or any(n < 1 for n in num_views):
            raise ArgumentError(
                f"num_views needs a number from 1 for each pipeline, got {list(num_views)} for "
                f"{len(pipelines)} pipelines"
            )
        super().__init__(data_source, [], prefetch)
        self.pipelines = [self._built(pipeline) for pipeline in pipelines]
        self.num_views = list(num_views)
        self.trans = [
            pipeline
            for pipeline, views in zip(self.pipelines, num_views, strict=True)
            for _ in range(views)
        ]  # V pipelines
        self.batched_pipelines = build_batched_pipelines(self.trans) if device_transforms else None
        self.lesion_positives = self._positives(lesion_positives)
        self.with_label = with_label
        if with_label:
            self.gt_labels = self.data_source.get_gt_labels()  # [len]

    @classmethod
    def views_per_image(cls, config: Mapping[str, Any]) -> int:
        """Return V, small crops included."""
        return sum(int(number) for number in config["num_views"])

    def _positives(self, options: dict[str, Any] | None) -> LesionPositives | None:
        if options is None:
            return None
        if len(self.trans) < 2:
            raise ArgumentError("lesion_positives are about the second view: num_views gives one")
        return LesionPositives(self.data_source, **options)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        image, source_idx = self._load(idx)
        images = [image] * len(self.trans)
        if self.lesion_positives is not None:
            images[1] = self.lesion_positives.choose(source_idx, image)
        more = {"label": self.gt_labels[source_idx]} if self.with_label else {}
        if self.batched_pipelines is not None:
            return {"img": defer(images, self.batched_pipelines), "idx": idx, **more}
        views = zip(self.trans, images, strict=True)
        return {"img": [self._finish(trans(image)) for trans, image in views], "idx": idx, **more}
