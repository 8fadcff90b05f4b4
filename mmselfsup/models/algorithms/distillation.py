"""Distillation of a frozen teacher into a student, without labels.

Ranzinger et al. 2024, "AM-RADIO: Agglomerative Vision Foundation Model", CVPR; Fang et al. 2021,
"SEED: Self-supervised Distillation for Visual Representation", ICLR. Letters: N images of this
process, C channels, H, W size of an image, V views.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_backbone, build_head
from ..utils.teacher import FrozenTeacher
from .base import BaseModel, require


@ALGORITHMS.register_module()
class Distillation(BaseModel):
    """A student whose features predict those of a frozen teacher, for the same views.

    Args:
        backbone: Config of the student.
        head: Config of the loss, ``FeatureDistillationHead`` (AM-RADIO) or
            ``SimilarityDistillationHead`` (SEED); a list of several, whose losses are added.
        teacher: Arguments of ``FrozenTeacher``: ``backbone``, ``checkpoint``, ``size``, ``cache``.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The head or the teacher is missing, or the teacher has an unknown argument.
    """

    title = "Distillation"
    family = "distillation"

    def __init__(
        self,
        backbone: dict,
        head: dict | Sequence[dict] | None = None,
        teacher: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        heads = [head] if isinstance(head, dict) else list(head or [])
        (teacher, _) = require(self, teacher=teacher, head=heads[0] if heads else None)
        known = {"backbone", "checkpoint", "size", "cache"}
        if "backbone" not in teacher or not known.issuperset(teacher):
            raise ArgumentError(
                f"Distillation: teacher takes {', '.join(sorted(known))}, with a backbone at "
                f"least, got {', '.join(sorted(teacher)) or 'nothing'}"
            )
        self.backbone = build_backbone(backbone)
        self.head = nn.ModuleList([build_head(config) for config in heads])
        self.teacher = FrozenTeacher(**teacher)
        self.teacher.with_map = any(part.needs_map for part in self.head)

    def forward_train(
        self, img: Sequence[Tensor] | Tensor, idx: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the losses of the heads, averaged over the views.

        Args:
            img: Images [N, C, H, W], or a list of V views of that shape.
            idx: Index of each image in the data set, [N], for ``teacher.cache``.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_vector`` and ``loss_map``, ``loss_similarity``, or all of them, float32 scalars.

        Raises:
            ArgumentError: There are several views and a cache of the teacher's features.
        """
        views = [img] if isinstance(img, Tensor) else list(img)
        if self.teacher.cache is not None and len(views) > 1:
            raise ArgumentError(
                f"teacher.cache keeps the features of one view of an image, got {len(views)}: set "
                "data.train.num_views=[1], or model.teacher.cache=None"
            )
        losses: dict[str, list[Tensor]] = defaultdict(list)
        for view in views:
            student, teacher = self.extract_feat(view), self.teacher(view, idx)
            for head in self.head:
                for name, loss in head(student, teacher).items():
                    losses[name].append(loss)
        return {name: torch.stack(parts).mean() for name, parts in losses.items()}
