"""iBOT: Zhou et al. 2022, "iBOT: Image BERT Pre-Training with Online Tokenizer", ICLR.

Letters: N images of this process, V views of an image, G global ones, C channels, L places of a
global view, M masked places of all of them, K outputs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..builder import ALGORITHMS, build_neck
from ..utils import image_and_mask, only_feature, pooled, several_views, spatial_map
from ..utils.ema import copy_to_targets
from ..utils.masked_places import count_masked, masked_places
from ..utils.needs import Needs
from .base import require
from .dino import DINO, global_views, scores_by_size

View = Tensor | Sequence[Tensor]


@ALGORITHMS.register_module()
class IBOT(DINO):
    """DINO whose student also predicts what the teacher gives for masked patches.

    The teacher is the tokenizer: it sees whole images, and its output for a patch is the word that
    the student predicts where the patch is masked. ``MomentumUpdateHook`` must be in
    ``custom_hooks``.

    Args:
        backbone: Config of the encoder, ``IBOTViT``.
        neck: Config of the projection, ``DINONeck``; required.
        head: Config of centring and losses, ``IBOTHead``; required.
        base_momentum: Momentum of the teacher in the first iteration, 0 to 1.
        untied: Whether patches have a projection of their own; None is the method's default, which
            for iBOT is one projection for class tokens and patches.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "iBOT"
    family = "self-distillation"
    needs = Needs(
        images=100_000,
        why="its published results begin with the 1.28 million images of ImageNet-1k",
        instead="start from given weights (load_from, adapt), or use SimCLR or DINO with a ResNet",
    )
    #: Whether patches have a projection of their own by default.
    untied_heads = False

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.996,
        untied: bool | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(backbone, neck, head, base_momentum, init_cfg)
        (neck,) = require(self, neck=neck)
        if self.untied_heads if untied is None else untied:
            self.patch_neck = build_neck(neck)
            self.momentum_patch_neck = build_neck(neck)
            copy_to_targets([(self.patch_neck, self.momentum_patch_neck)])

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return student and teacher, and their projections of patches where these are untied."""
        pairs = super().momentum_pairs()
        if hasattr(self, "momentum_patch_neck"):
            pairs.append((self.patch_neck, self.momentum_patch_neck))
        return pairs

    def count_on_host(self, img: Sequence[Any]) -> dict[str, int]:
        """Return ``num_masked``: the number of masked patches, M."""
        pairs = [view for view in img if isinstance(view, list | tuple) and len(view) == 2]
        return count_masked([mask for _, mask in pairs])

    def forward_train(  # type: ignore[override]
        self, img: Sequence[View], num_masked: int | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the losses of equations 2 and 3.

        Args:
            img: V >= 2 views, the G global ones first: pairs of images [N, C, H, W] and masks of
                their patches [N, rows, columns], true for masked ones; local views are images.
            num_masked: M, see ``masked_places``.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_cls`` and ``loss_patch``, float32 scalars, at least 0: means over the images of
            this process.

        Raises:
            ArgumentError: There are fewer than two views, or fewer than G, or a mask is missing.
        """
        views: list[Any] = list(several_views(img, self, "num_views=[2, 6]"))
        num_global = global_views(self, len(views))
        pairs = [image_and_mask(view, self) for view in views[:num_global]]
        images = torch.cat([image for image, _ in pairs])  # [G*N, C, H, W]
        mask = torch.cat([mask for _, mask in pairs]).flatten(1).bool()  # [G*N, L]

        seen = only_feature(self.backbone(images, mask), self)
        student = self.neck([seen])[0].unflatten(0, (num_global, -1))  # [G, N, K]
        if views[num_global:]:
            local = scores_by_size(self.base_encoder, views[num_global:])  # [V - G, N, K]
            student = torch.cat((student, local))  # [V, N, K]
        neck = getattr(self, "patch_neck", self.neck)
        places = masked_places(mask, num_masked)
        student_patches = neck([at_places(seen, places)])[0]  # [M, K]
        with torch.no_grad():
            backbone, target_neck = self.momentum_encoder
            whole = only_feature(backbone(images), self)
            teacher = target_neck([whole])[0].unflatten(0, (num_global, -1))  # [G, N, K]
            target_neck = getattr(self, "momentum_patch_neck", target_neck)
            teacher_patches = target_neck([at_places(whole, places)])[0]  # [M, K]
        losses = self.head(student, teacher, student_patches, teacher_patches, mask)
        return {**losses, **self.regularise(pooled(seen).unflatten(0, (num_global, -1)))}

    def regularise(self, features: Tensor) -> dict[str, Tensor]:
        """Return further losses of the student's class tokens [G, N, C]; none by default."""
        return {}


def at_places(feature: Any, places: tuple[Tensor, Tensor]) -> Tensor:
    """Return the tokens [M, C] of some places.

    Args:
        feature: Features of one stage with places, an entry of what a backbone returns, N images.
        places: Images and places in them, two int64 tensors [M], see ``masked_places``.
    """
    return spatial_map(feature).flatten(2).transpose(1, 2)[places]
