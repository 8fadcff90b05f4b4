"""VICRegL: Bardes et al. 2022, "VICRegL: Self-Supervised Learning of Local Visual Features",
NeurIPS.

Letters: N images of this process, C channels, h, w size of a map, L = h * w places, D width.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_neck
from ..losses import cell_positions
from ..utils import only_feature, spatial_map
from .base import require
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class VICRegL(JointEmbedding):
    """VICReg of whole views, and of places of their maps that match by position or by feature.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the expander of whole views; required.
        head: Config of the loss, ``VICRegLHead``; required.
        local_neck: Config of the expander of places, which takes vectors
            (``with_avg_pool=False``); required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: A neck or the head is missing.
    """

    title = "VICRegL"
    family = "redundancy reduction"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        local_neck: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(backbone, neck, head, init_cfg)
        (local_neck,) = require(self, local_neck=local_neck)
        self.local_neck = build_neck(local_neck)

    def forward_train(self, img: Sequence[Any], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 4 over the images of all processes.

        Args:
            img: Two views: pairs of images [N, C, H, W] and of maps to the place in the image
                [N, 2, 3], as ``LocatedView`` gives them.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_global``, ``loss_location`` and ``loss_feature``, float32 scalars, at least 0.

        Raises:
            ArgumentError: ``img`` is something else.
        """
        views = [self._view(*self._pair(view)) for view in self._two(img)]
        (z_a, local_a, place_a), (z_b, local_b, place_b) = views
        return self.head(z_a, z_b, local_a, local_b, place_a, place_b)

    def _view(self, images: Tensor, way: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return projections [N, D] and [N, L, D], and positions [N, L, 2] of a view."""
        features = self.extract_feat(images)
        feature = spatial_map(only_feature(features, self))  # [N, C, h, w]
        rows, columns = feature.shape[2:]
        vectors = feature.flatten(2).transpose(1, 2)  # [N, L, C]
        local = self.local_neck([vectors.flatten(0, 1)])[0].unflatten(0, vectors.shape[:2])
        return self.neck(features)[0], local, cell_positions(way, rows, columns)

    def _two(self, img: Any) -> Sequence[Any]:
        """Return the two views of a batch."""
        if isinstance(img, Tensor) or len(img) != 2:
            raise ArgumentError("VICRegL takes 2 views of each image: num_views=[2]")
        return img

    def _pair(self, view: Any) -> Sequence[Tensor]:
        """Return images and maps of a view."""
        if isinstance(view, Tensor) or len(view) != 2 or view[1].shape[1:] != (2, 3):
            raise ArgumentError(
                "VICRegL compares places of two views, and these don't say where in the image they "
                "are: let LocatedView be the only transform of the pipeline"
            )
        return view
