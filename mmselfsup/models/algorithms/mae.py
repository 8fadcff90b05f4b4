"""MAE: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", CVPR.

Letters: N images of this process, C channels, H, W size of an image, P side of a patch, L patches,
K of them visible, D width of a token.
"""

from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS, build_head, build_neck
from ..utils.masking import Reconstruction, patch_grid, pixel_mask
from .base import BaseModel, build_masking_backbone, require


@ALGORITHMS.register_module()
class MAE(BaseModel):
    """Prediction of the pixels of hidden patches from the few visible ones.

    Args:
        backbone: Config of the encoder, ``MAEViT``.
        neck: Config of the decoder, ``MAEPretrainDecoder``; required.
        head: Config of the loss, ``MAEPretrainHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing, or the backbone can't hide patches.

    Difference from 0.x: ``extract_feat`` gives the features of whole images. In 0.x it hid patches,
    so that nothing could be evaluated with it.
    """

    title = "MAE"
    family = "masked modelling"
    neck_projects = False

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_masking_backbone(backbone, self, "MAEViT")
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def extract_feat(self, img: Tensor) -> tuple[Any, ...]:
        """Return the features of whole images [N, C, H, W], see ``BaseViT``."""
        return self.backbone(img, masked=False)

    def predict(self, img: Tensor) -> tuple[Tensor, Tensor]:
        """Hide patches of images [N, C, H, W] and predict all patches.

        Returns:
            The predictions [N, L, P*P*C] and the mask [N, L], 1 for hidden patches.
        """
        grid = self.grid(img)  # before the encoder, which pads other sizes
        # Section 3, "MAE encoder": the visible patches only.
        tokens, mask, place = self.backbone(img)  # [N, 1 + K, D], [N, L], [N, L]
        # "MAE decoder": mask tokens take the places of the hidden ones.
        return self.neck(tokens, place, grid), mask

    def grid(self, img: Tensor) -> tuple[int, int]:
        """Return rows and columns of the grid of patches of images [N, C, H, W].

        Raises:
            ArgumentError: H or W is no multiple of P.
        """
        return patch_grid(img, self.head.patch_size)

    def forward_train(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the mean squared error of the hidden patches ("Reconstruction target").

        The mask is drawn from torch's generator.

        Args:
            img: Images [N, C, H, W], H and W multiples of P.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, the mean over the hidden pixels of this process.
        """
        pred, mask = self.predict(img)
        return self.head(img, pred, mask)

    def forward_test(self, img: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return mask and prediction as images [N, H, W, C], float32, on the CPU, as 0.x does.

        With ``norm_pix`` the predictions are those of normalised patches; ``reconstruct`` gives
        them brightness and contrast.
        """
        pred, mask = self.predict(img)
        hidden = pixel_mask(mask, self.head.patch_size, self.grid(img)).expand_as(img)
        images = self.head.unpatchify(pred, self.grid(img))
        return hidden.permute(0, 2, 3, 1).cpu(), images.permute(0, 2, 3, 1).float().cpu()

    def reconstruct(self, img: Tensor) -> Reconstruction:
        """Return images [N, C, H, W] with hidden patches, and what is predicted of them."""
        pred, mask = self.predict(img)
        hidden = pixel_mask(mask, self.head.patch_size, self.grid(img))  # [N, 1, H, W]
        return Reconstruction(img * (1 - hidden), self.head.to_pixels(pred, img), hidden)
