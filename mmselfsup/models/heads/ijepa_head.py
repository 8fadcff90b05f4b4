"""The head of I-JEPA.

Letters: N images, L patches, B target blocks of an image, M patches of a block, D width.
"""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import latent_error
from ..utils.masking import take_tokens
from ..utils.precision import full_precision


@HEADS.register_module()
class IJEPAHead(BaseModule):
    """The error of the predicted features of the target blocks (Assran et al. 2023, section 3).

    The features of the target encoder are normalised over their channels, without weights, as in
    the authors' code.

    Args:
        loss: ``'smooth_l1'`` as in the authors' code, or ``'l2'``, the squared error of the paper.

    Raises:
        ArgumentError: Another loss.
    """

    def __init__(self, loss: str = "smooth_l1") -> None:
        super().__init__()
        if loss not in ("smooth_l1", "l2"):
            raise ArgumentError(f"loss must be 'smooth_l1' or 'l2', got {loss!r}")
        self.loss = loss

    def forward(self, pred: Tensor, features: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0: the mean over blocks, patches, channels.

        Args:
            pred: Predicted features [N, B, M, D].
            features: Features of all patches by the target encoder, [N, L, D]; no gradient.
            targets: Places of the patches of each block, [N, B, M] (int64).
        """
        return {"loss": latent_error(pred, self.targets(features, targets), self.loss)}

    @torch.no_grad()
    @full_precision
    def targets(self, features: Tensor, targets: Tensor) -> Tensor:
        """Return the normalised features of the blocks [N, B, M, D], float32."""
        normalised = F.layer_norm(features, features.shape[-1:])  # [N, L, D]
        return take_tokens(normalised, targets.flatten(1)).unflatten(1, targets.shape[1:])
