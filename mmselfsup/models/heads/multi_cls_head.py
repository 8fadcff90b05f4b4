"""A linear classifier on every stage at once.

Letters: N batch, C_i channels, H_i, W_i size of stage i's feature map.
"""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ..builder import HEADS, LINEAR_INIT
from ..utils import MultiPooling, accuracy


@HEADS.register_module()
class MultiClsHead(BaseModule):
    """Pooling, normalisation and a linear probe for each stage of a ResNet-50.

    Source: Goyal et al. 2019, "Scaling and Benchmarking Self-Supervised Visual Representation
    Learning".

    Args:
        pool_type: See ``MultiPooling``.
        in_indices: Which of the backbone's outputs the head gets, 0 to 4; equal to ``out_indices``
            of the backbone.
        with_last_layer_unpool: Add a classifier on the last map without pooling; it must have 7x7
            positions.
        backbone: Only ``'resnet50'`` is supported.
        norm_cfg: Config of the normalisation.
        num_classes: Number of classes.
        init_cfg: How weights are initialised, in mmcv's format.

    Raises:
        ArgumentError: See ``MultiPooling``.
    """

    #: Layers with a row of weights for each class.
    class_layers = ("fcs",)

    def __init__(
        self,
        pool_type: str = "adaptive",
        in_indices: Sequence[int] = (0,),
        with_last_layer_unpool: bool = False,
        backbone: str = "resnet50",
        norm_cfg: dict = {"type": "BN"},  # noqa: B006
        num_classes: int = 1000,
        init_cfg: dict | list[dict] | None = LINEAR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.with_last_layer_unpool = with_last_layer_unpool
        self.criterion = nn.CrossEntropyLoss()
        self.multi_pooling = MultiPooling(pool_type, in_indices, backbone)
        channels = [MultiPooling.CHANNELS[backbone][i] for i in in_indices]
        widths = [MultiPooling.POOL_DIMS[backbone][i] for i in in_indices]
        if with_last_layer_unpool:
            widths.append(channels[-1] * 7 * 7)
        self.norms = nn.ModuleList(build_norm_layer(norm_cfg, c)[1] for c in channels)
        self.num_classes = num_classes
        self.fcs = nn.ModuleList(nn.Linear(width, num_classes) for width in widths)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits [N, num_classes] of each classifier, stages in ascending order.

        Args:
            x: Feature maps [N, C_i, H_i, W_i].

        Raises:
            ArgumentError: The number of maps is not that of ``in_indices``.
        """
        pooled = self.multi_pooling(x)
        flat = [norm(p).flatten(1) for norm, p in zip(self.norms, pooled, strict=True)]
        if self.with_last_layer_unpool:
            flat.append(x[-1].flatten(1))
        return [fc(f) for fc, f in zip(self.fcs, flat, strict=True)]

    def loss(self, cls_score: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
        """Return ``loss.1``, ``acc.1`` (in percent), ``loss.2``, ... of the classifiers.

        Args:
            cls_score: Logits [N, num_classes] of each classifier.
            labels: Class numbers [N] (int64).
        """
        losses = {}
        for i, score in enumerate(cls_score, start=1):
            losses[f"loss.{i}"] = self.criterion(score, labels)
            losses[f"acc.{i}"] = accuracy(score, labels)
        return losses
