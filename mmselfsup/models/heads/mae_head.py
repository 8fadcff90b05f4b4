"""The heads of MAE: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", CVPR.

Letters: N images, C channels, H, W size of an image, P side of a patch, L patches, D width of a
feature, K classes.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any, ClassVar

from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS
from ..losses import masked_patch_error, patch_statistics, weighted_cross_entropy
from ..utils import accuracy, only_feature, pooled
from ..utils.masking import patch_grid, patchify, unpatchify
from ..utils.precision import to_float32


@HEADS.register_module()
class MAEPretrainHead(BaseModule):
    """The mean squared error of the pixels of hidden patches.

    Args:
        norm_pix: Whether the pixels of each patch are normalised by their own mean and standard
            deviation first (section 3, "Reconstruction target").
        patch_size: P.
    """

    def __init__(self, norm_pix: bool = False, patch_size: int = 16) -> None:
        super().__init__()
        self.norm_pix, self.patch_size = norm_pix, patch_size

    def patchify(self, imgs: Tensor) -> Tensor:
        """Return images [N, C, H, W] as patches [N, L, P*P*C].

        Raises:
            ArgumentError: H or W is no multiple of P.
        """
        return patchify(imgs, self.patch_size)

    def unpatchify(self, x: Tensor, resolution: tuple[int, int] | None = None) -> Tensor:
        """Return patches [N, L, P*P*C] as images [N, C, H, W].

        Args:
            x: Patches.
            resolution: Rows and columns of the grid of patches; None means a square.
        """
        return unpatchify(x, self.patch_size, resolution or (isqrt(x.shape[1]),) * 2)

    def target(self, imgs: Tensor) -> Tensor:
        """Return what is predicted of images [N, C, H, W]: [N, L, P*P*C], float32 or wider."""
        patches = to_float32(self.patchify(imgs))
        if not self.norm_pix:
            return patches
        mean, std = patch_statistics(patches)
        return (patches - mean) / std

    def to_pixels(self, pred: Tensor, imgs: Tensor) -> Tensor:
        """Return predictions [N, L, P*P*C] as images [N, C, H, W], normalised as the input is.

        With ``norm_pix`` a prediction has no brightness and contrast: each patch gets those of the
        true image.

        Args:
            pred: Predictions of all patches.
            imgs: The images [N, C, H, W].
        """
        patches = to_float32(pred)
        if self.norm_pix:
            mean, std = patch_statistics(to_float32(self.patchify(imgs)))
            patches = patches * std + mean
        return self.unpatchify(patches, patch_grid(imgs, self.patch_size))

    def forward(self, x: Tensor, pred: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, see ``masked_patch_error``.

        Args:
            x: Images [N, C, H, W].
            pred: Predictions of all patches [N, L, P*P*C].
            mask: 1 for hidden patches, 0 for visible ones, [N, L].
        """
        return {"loss": masked_patch_error(pred, self.target(x), mask)}


class _TokenHead(BaseModule):
    """A linear classifier of one vector per image; what the heads below share.

    Args:
        embed_dim: D.
        num_classes: K.
        std: Standard deviation of the first weights.
    """

    #: Layers with a row of weights for each class.
    class_layers = ("head",)

    def __init__(self, embed_dim: int, num_classes: int, std: float) -> None:
        super().__init__(
            {"type": "TruncNormal", "std": std, "bias": 0, "layer": "Linear"}  # two sigma
        )
        self.num_classes = num_classes
        self.head = nn.Linear(embed_dim, num_classes)

    def vector(self, x: Tensor | Sequence[Any]) -> Tensor:
        """Return the features [N, D] of a backbone: a tensor, or one entry that ``pooled`` knows.

        Raises:
            ArgumentError: The backbone gave more than one entry.
        """
        return x if isinstance(x, Tensor) else pooled(only_feature(x, self))


@HEADS.register_module()
class MAEFinetuneHead(_TokenHead):
    """The classifier of a fine-tuned vision transformer, nearly zero at the start.

    Args:
        embed_dim: D.
        num_classes: K.
        label_smooth_val: Part of each label that is spread over all classes, 0 to 1.
    """

    #: Standard deviation of the first weights.
    first_std: ClassVar[float] = 2e-5

    def __init__(
        self, embed_dim: int, num_classes: int = 1000, label_smooth_val: float = 0.1
    ) -> None:
        super().__init__(embed_dim, num_classes, std=self.first_std)
        self.label_smooth_val = label_smooth_val

    def forward(self, x: Tensor | Sequence[Any]) -> list[Tensor]:
        """Return the logits [[N, K]] of features [N, D], see ``vector``."""
        return [self.head(self.vector(x))]

    def loss(self, outputs: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Return the smoothed cross entropy and the accuracy of one batch.

        Args:
            outputs: Logits [[N, K]], from ``forward``.
            labels: Class numbers [N] (int64), or class distributions [N, K] (mixup).

        Returns:
            ``loss``, a scalar, and ``acc``, the top-1 accuracy in percent, [1].
        """
        score = only_feature(outputs, self)
        loss = weighted_cross_entropy(score, labels, smoothing=self.label_smooth_val)
        return {"loss": loss, "acc": accuracy(score, labels)}


@HEADS.register_module()
class MAELinprobeHead(_TokenHead):
    """The linear probe of a frozen vision transformer, behind a normalisation (appendix A.1).

    Args:
        embed_dim: D.
        num_classes: K.
    """

    def __init__(self, embed_dim: int, num_classes: int = 1000) -> None:
        super().__init__(embed_dim, num_classes, std=0.01)
        self.bn = nn.BatchNorm1d(embed_dim, affine=False, eps=1e-6)
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x: Tensor | Sequence[Any]) -> list[Tensor]:
        """Return the logits [[N, K]] of features [N, D], see ``_TokenHead.vector``."""
        return [self.head(self.bn(self.vector(x)))]

    def loss(self, outputs: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Return the cross entropy and the accuracy; see ``MAEFinetuneHead.loss``."""
        score = only_feature(outputs, self)
        return {"loss": self.criterion(score, labels), "acc": accuracy(score, labels)}
