"""VICReg: Bardes et al. 2022, "VICReg: Variance-Invariance-Covariance Regularization ...", ICLR.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import two_views
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class VICReg(JointEmbedding):
    """Invariance with two regularisers of each view: every component varies, none repeats another.

    No negatives, no target network, no stop-gradient, no normalisation of the projections.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the expander h; required.
        head: Config of the loss, ``VICRegHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "VICReg"
    family = "redundancy reduction"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 6 over the images of all processes, algorithm 1.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0, equal on all processes, and its terms.

        Raises:
            ArgumentError: ``img`` doesn't hold two views, or the joined batch has one image only.
        """
        first, second = two_views(img, self)
        z_a = self.project(first)  # [N, D]
        z_b = self.project(second)  # [N, D]
        return self.head(z_a, z_b)
