"""SwAV: the code of one view, its assignment to prototypes, is predicted from another view.

Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
NeurIPS.

Letters: N images of this process, V views, C channels, D width of a projection.
"""

from typing import Any

from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils.views import forward_by_size
from .base import BaseModel, require


@ALGORITHMS.register_module()
class SwAV(BaseModel):
    """Online clustering: each view of an image predicts the cluster assignment of its other views.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the projection, ``SwAVNeck``; required.
        head: Config of the prototypes, codes and loss, ``SwAVHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.

    Difference from 0.x: Sinkhorn sums over all ranks in every iteration (see
    ``distributed_sinkhorn``), so several ranks compute what one process computes on the joined
    batch; the queue holds the joined batch on every rank. In one process loss and gradient are
    those of 0.x.
    """

    title = "SwAV"
    family = "clustering"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def forward_train(self, img: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Return the swapped prediction loss (equation 6) of all views.

        Args:
            img: V views, each [N, C, H, W], those of one size next to each other in the list.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the images of this process.

        Raises:
            ArgumentError: ``img`` is no list of V views.
        """
        return self.head(self.project(img).flatten(0, 1))

    def project(self, img: Any) -> Tensor:
        """Return the projections [V, N, D] of V views, see ``forward_train``."""
        num_views = sum(self.head.num_crops)
        if isinstance(img, Tensor) or len(img) != num_views:
            got = "one tensor" if isinstance(img, Tensor) else f"{len(img)} views"
            raise ArgumentError(
                f"{type(self).__name__} takes a list of {num_views} views "
                f"(head.num_crops={self.head.num_crops} and data.train.num_views must agree), "
                f"got {got}"
            )
        features = forward_by_size(self.extract_feat, img)  # for each size [[M, C, H, W]]
        return self.neck(features)[0].unflatten(0, (num_views, -1))
