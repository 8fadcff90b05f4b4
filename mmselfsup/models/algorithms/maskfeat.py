"""MaskFeat: Wei et al. 2022, "Masked Feature Prediction for Self-Supervised Visual Pre-Training".

Letters: N images of this process, C channels, H, W size of an image, L patches, D numbers of the
features of a patch.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS, build_head
from ..utils import image_and_mask
from ..utils.hog_layer import HOGLayerC
from .base import BaseModel, build_masking_backbone, require


@ALGORITHMS.register_module()
class MaskFeat(BaseModel):
    """Prediction of the histograms of oriented gradients of masked patches.

    Args:
        backbone: Config of the encoder, ``MaskFeatViT``.
        head: Config of the prediction and its loss, ``MaskFeatPretrainHead``; required.
        hog_para: Arguments of ``HOGLayerC``, whose ``gaussian_window`` is the side of a patch.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The head or ``hog_para`` is missing.
    """

    title = "MaskFeat"
    family = "masked modelling"

    def __init__(
        self,
        backbone: dict,
        head: dict,
        hog_para: dict,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        head, hog_para = require(self, head=head, hog_para=hog_para)
        self.backbone = build_masking_backbone(backbone, self, "MaskFeatViT")
        self.head = build_head(head)
        self.hog_layer = HOGLayerC(**hog_para)

    def extract_feat(self, img: Tensor | Sequence[Tensor]) -> Any:
        """Return the features of whole images, or the tokens of masked ones.

        Args:
            img: Images [N, C, H, W], or images and masks as ``forward_train`` takes them.

        Returns:
            The outputs of the backbone for whole images, tokens [N, 1 + L, C] for masked ones.
        """
        return self.backbone(img) if isinstance(img, Tensor) else self.backbone(*img)

    def forward_train(self, input: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the squared error of the histograms of masked patches (section 3.1).

        Args:
            input: Images [N, C, H, W], and masks [N, rows, columns] that are true for masked
                patches, as ``MaskFeatMaskGenerator`` makes them.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the masked patches of this
            process.

        Raises:
            ArgumentError: ``input`` doesn't hold images and masks.
        """
        img, mask = image_and_mask(input, self)
        latent = self.backbone(img, mask)  # [N, 1 + L, C]
        target = self.hog_layer(img)  # [N, L, D]
        return self.head(latent, target, mask)
