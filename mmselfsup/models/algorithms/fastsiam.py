"""FastSiam: Pototzky et al. 2022, "FastSiam: Resource-Efficient Self-supervised ...", GCPR.

Letters: N images of this process, V views of an image, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import several_views
from .simsiam import SimSiam


@ALGORITHMS.register_module()
class FastSiam(SimSiam):
    """SimSiam with several views: each predicts the mean of the others' projections.

    The mean varies less than a single view's projection, so that small batches and few epochs
    suffice (section 3). The paper has V = 4; V = 2 is SimSiam.

    Args:
        *args: See ``SimSiam``.
        **kwargs: See ``SimSiam``.
    """

    title = "FastSiam"
    family = "self-distillation"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the negative cosine between predictions and mean targets, section 3.2.

        Args:
            img: V >= 2 views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in -1..1, a float32 scalar: the mean over views and images.

        Raises:
            ArgumentError: There are fewer than two views.
        """
        views = several_views(img, self, "num_views=[4]")
        # One view after the other, so that each is normalised by its own batch statistics.
        z = torch.stack([self.encoder(view)[0] for view in views])  # [V, N, D]
        total = z.sum(dim=0)  # [N, D]
        losses = [self.head(own, (total - own) / (len(z) - 1))["loss"] for own in z]
        return {"loss": torch.stack(losses).mean()}
