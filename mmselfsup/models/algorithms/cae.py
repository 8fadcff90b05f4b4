"""CAE: Chen et al. 2022, "Context Autoencoder for Self-Supervised Representation Learning", IJCV.

Letters: N images of this process, H, W size of an image, L patches, M of them masked, C channels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..backbones.cae_vit import select_patches
from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils.masked_places import count_masked, masked_places
from .base import BaseModel, build_masking_backbone, require

# Statistics of ImageNet, which the encoder's images are normalised by.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The tokenizer was trained on pixels in 0.1..0.9 (Ramesh et al. 2021, appendix A.3).
_MARGIN = 0.1


@ALGORITHMS.register_module()
class CAE(BaseModel):
    """Prediction of the representations and of the visual words of masked patches.

    The encoder sees visible patches only. A regressor predicts the representations of the masked
    ones, which must equal those that a teacher computes from them; a decoder turns the predictions
    into words.

    Args:
        backbone: Config of the encoder, ``CAEViT``.
        neck: Config of regressor and decoder, ``CAENeck``; required.
        head: Config of tokenizer and loss, ``CAEHead``; required.
        base_momentum: Momentum of the teacher in each step, 0 to 1; 0 makes it a copy of the
            encoder.
        init_cfg: See ``BaseModel``.
        **kwargs: Accepted and ignored, as in 0.x.

    Raises:
        ArgumentError: The neck or the head is missing, or the backbone can't hide patches.
    """

    mean: Tensor
    std: Tensor
    title = "CAE"
    family = "masked modelling"
    neck_projects = False

    def __init__(
        self,
        backbone: dict | None = None,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg)
        backbone, neck, head = require(self, backbone=backbone, neck=neck, head=head)
        self.backbone = build_masking_backbone(backbone, self, "CAEViT")
        self.teacher = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)
        for name, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        self.momentum = base_momentum
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the encoder and the teacher."""
        return [(self.backbone, self.teacher)]

    def extract_feat(self, img: Tensor, mask: Tensor | None = None) -> Any:
        """Return the features of whole images, or the tokens of visible patches.

        Args:
            img: Images [N, 3, H, W], normalised as in the config's pipeline.
            mask: True for masked patches, [N, L]; None for whole images.
        """
        return self.backbone(img) if mask is None else self.backbone(img, mask)

    def count_on_host(self, img: Sequence[Any]) -> dict[str, int]:
        """Return ``num_masked``: the number of masked patches of the batch, N * M."""
        return count_masked(img[2:3])

    def forward_train(  # type: ignore[override]
        self, samples: Sequence[Tensor] | Tensor, num_masked: int | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the loss of the words plus the weighted alignment (section 3, "Objective").

        Args:
            samples: Images [N, 3, H, W] in 0..1, which are normalised here; images for the
                tokenizer [N, 3, H', W'] in 0..1, 8 x 8 pixels a patch; and masks
                [N, rows, columns], true for masked patches, equally many in each image.
                ``BEiTMaskGenerator`` after ``RandomResizedCropAndInterpolationWithTwoPic`` makes
                them.
            num_masked: N * M, see ``masked_places``.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, and its parts ``main`` and ``align``, float32 scalars, means over the masked
            patches of this process.

        Raises:
            ArgumentError: ``samples`` holds something else.
        """
        if isinstance(samples, Tensor) or len(samples) != 3:
            got = "a tensor" if isinstance(samples, Tensor) else f"{len(samples)} tensors"
            raise ArgumentError(
                f"CAE takes images, images for the tokenizer and masks, got {got}: end the "
                "pipeline with BEiTMaskGenerator"
            )
        img, img_target, mask = samples
        masked = mask.flatten(1).bool()  # [N, L]
        num_visible = None if num_masked is None else masked.numel() - num_masked
        hidden, seen = masked_places(masked, num_masked), masked_places(~masked, num_visible)
        img = (img - self.mean) / self.std
        # The regressor and the decoder see no class token.
        visible = self.backbone(img, masked, visible=seen)[:, 1:]  # [N, L - M, C]
        with torch.no_grad():
            latent_target = self.teacher(img, ~masked, visible=hidden)[:, 1:]  # [N, M, C]
            # As in 0.x after its use: with a momentum of 0 it is the encoder one step ago.
            self.momentum_update_in_forward()
        places = self.positions()  # [1, L, C]
        scores, latent = self.neck(
            visible,
            select_patches(places, hidden, len(img)),
            select_patches(places, seen, len(img)),
        )
        img_target = (1 - 2 * _MARGIN) * img_target + _MARGIN
        return self.head(img_target, scores, latent, latent_target, masked, hidden)

    def positions(self) -> Tensor:
        """Return the position embeddings [1, L, C] of the patches."""
        backbone: Any = self.backbone
        return backbone.pos_embed[:, 1:]
