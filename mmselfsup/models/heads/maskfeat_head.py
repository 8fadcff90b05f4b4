"""The heads of MaskFeat (Wei et al. 2022).

Letters: N images, L patches, C channels of a token, K classes.
"""

from mmcv.cnn import trunc_normal_init
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS
from ..losses import masked_patch_error
from .mae_head import MAEFinetuneHead


@HEADS.register_module()
class MaskFeatPretrainHead(BaseModule):
    """A linear prediction of the features of each patch, and its error at masked patches.

    Args:
        embed_dim: C, the channels of a token.
        hog_dim: D, the numbers of the features of a patch.
    """

    def __init__(self, embed_dim: int = 768, hog_dim: int = 108) -> None:
        super().__init__()
        self.head = nn.Linear(embed_dim, hog_dim)

    def init_weights(self) -> None:
        """Draw the weights from a normal distribution, deviation 0.02."""
        super().init_weights()
        trunc_normal_init(self.head, std=0.02, bias=0)

    def forward(self, latent: Tensor, hog: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, see ``loss``.

        Args:
            latent: Tokens [N, 1 + L, C], class token first.
            hog: Features [N, L, D] of the patches.
            mask: True for masked patches, [N, rows, columns].
        """
        return self.loss(self.head(latent[:, 1:]), hog, mask)

    def loss(self, pred: Tensor, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, the mean squared error of masked patches, a float32 scalar.

        Args:
            pred: Predicted features [N, L, D].
            target: Features [N, L, D].
            mask: True for masked patches, [N, rows, columns] or [N, L].
        """
        return {"loss": masked_patch_error(pred, target, mask.flatten(1))}


@HEADS.register_module()
class MaskFeatFinetuneHead(MAEFinetuneHead):
    """The classifier of a fine-tuned vision transformer, with larger first weights than MAE's.

    Args:
        embed_dim: C.
        num_classes: K.
        label_smooth_val: Part of each label that is spread over all classes, 0 to 1.

    Difference from 0.x: logits in eval mode too, where 0.x gave probabilities; the predicted class
    is the same, and metrics that apply a softmax are right.
    """

    first_std = 0.02
