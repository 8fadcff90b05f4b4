"""mmcls's image classifier with the interface of this package's algorithms.

Letters: N images, C channels, K classes.
"""

from collections import OrderedDict
from typing import Any

import torch
from mmcls.models.classifiers import ImageClassifier
from torch import Tensor

from mmselfsup.utils.batch_norm import count_batches_once

from ..builder import ALGORITHMS
from ..utils.precision import mixed_precision
from .base import Losses, parse_losses
from .classification import head_names


@ALGORITHMS.register_module()
class MMClsImageClassifierWrapper(ImageClassifier):
    """mmcls's classifier with ``label`` for ``gt_label`` and ``mode`` for ``return_loss``.

    A ``type`` without a scope is looked up in mmcls; ``mmselfsup.X`` is a class of this package.

    Args:
        backbone: Config of the backbone.
        neck: Config of the neck.
        head: Config of the head.
        pretrained: Path or address of a checkpoint for the backbone.
        train_cfg: ``dict(augments=[...])``, mmcls's mixing of images (``BatchMixup`` ...).
        init_cfg: How weights are initialised, in mmcv's format.
    """

    #: Its head has a row for each class of the data.
    reads_classes = True

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        pretrained: str | None = None,
        train_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        # 0.x's configs have an empty ``init_cfg`` to be filled in; left empty, it must not replace
        # the default of the backbone.
        if not backbone.get("init_cfg", True):
            backbone = {key: value for key, value in backbone.items() if key != "init_cfg"}
        super().__init__(backbone, neck, head, pretrained, train_cfg, init_cfg)
        if backbone.get("with_cp"):
            count_batches_once(self.backbone)
        self.amp_dtype: torch.dtype | None = None  # see BaseModel

    def forward(self, img: Tensor, mode: str = "train", **kwargs: Any) -> Any:
        """Run one of the three passes; see ``BaseModel.forward``.

        Args:
            img: Images [N, C, H, W].
            mode: ``'train'``, ``'test'`` or ``'extract'``.
            **kwargs: The rest of the batch.

        Raises:
            ValueError: An unknown mode.
        """
        with mixed_precision(self.fp16_enabled, img, self.amp_dtype):
            if mode == "train":
                return self.forward_train(img, **kwargs)
            if mode == "test":
                return self.forward_test(img, **kwargs)
            if mode == "extract":
                return self.extract_feat(img)
        raise ValueError(f"mode must be 'train', 'test' or 'extract', got {mode!r}")

    def forward_train(self, img: Tensor, label: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the losses of mmcls's head for images [N, C, H, W] and class numbers [N]."""
        return super().forward_train(img, label)

    def forward_test(self, imgs: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the probabilities [N, K], float32 on the CPU, under a name such as ``head4``.

        The number is that of the backbone's first output.
        """
        scores = self.simple_test(imgs, post_process=False)  # [N, K], after the softmax
        return {head_names(self.backbone, 1)[0]: scores.float().cpu()}

    def _parse_losses(self, losses: Losses) -> tuple[Tensor, "OrderedDict[str, Tensor]"]:
        return parse_losses(losses)
