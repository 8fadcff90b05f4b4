"""A classifier of the image together with age, site and sex of the patient.

Letters: N images, D width of a patient's code.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.patients import WIDTH

from ..builder import HEADS
from ..utils.dense_layers import dense_layers
from ..utils.hide_metadata import HideMetadata
from .cls_head import ClsHead

_INIT = {"type": "Kaiming", "mode": "fan_in", "layer": "Linear"}
_INIT_LAST = {"type": "Normal", "name": "fc_cls", "std": 0.01}


@HEADS.register_module()
class MetadataClsHead(ClsHead):
    """A small network for the metadata, whose output is concatenated with the image's features.

    Source: Gessert et al. 2020, see ``encode_patient``. Differences from the paper: layer instead
    of batch normalisation, which also works for a batch of one image; no part is trained separately
    beforehand (``ProbeFirstHook`` does that).

    Args:
        in_channels: Width of the image's features.
        num_classes: Number of classes.
        metadata_channels: Widths of the layers for the metadata, at least one.
        fusion_channels: Width of the layer on the concatenated features; None omits it, so that
            metadata and image contribute to the logits independently of each other.
        dropout: Probability of dropout after each of these layers, 0 to 1.
        missing_prob: Probability of hiding age, site or sex in training, 0 to 1, see
            ``HideMetadata``.
        norm_cfg: Config of the normalisation.
        init_cfg: How weights are initialised, in mmcv's format.
        **kwargs: See ``ClsHead``.

    Raises:
        ArgumentError: ``metadata_channels`` is empty, ``missing_prob`` is out of range, or see
            ``ClsHead``.
    """

    uses_patient = True

    def __init__(
        self,
        in_channels: int = 2048,
        num_classes: int = 1000,
        metadata_channels: Sequence[int] = (256, 256),
        fusion_channels: int | None = 1024,
        dropout: float = 0.4,
        missing_prob: float = 0.1,
        norm_cfg: dict = {"type": "LN"},  # noqa: B006
        init_cfg: dict | list[dict] | None = {**_INIT, "override": _INIT_LAST},  # noqa: B006
        **kwargs: Any,
    ) -> None:
        if not metadata_channels:
            raise ArgumentError("metadata_channels needs a width or more; ClsHead has no metadata")
        joined = in_channels + metadata_channels[-1]
        widths = [joined] if fusion_channels is None else [joined, fusion_channels]
        super().__init__(
            in_channels=widths[-1], num_classes=num_classes, init_cfg=init_cfg, **kwargs
        )
        self.in_channels = in_channels
        self.hide = HideMetadata(missing_prob)
        self.metadata_net = dense_layers([WIDTH, *metadata_channels], norm_cfg, dropout)
        self.fusion = dense_layers(widths, norm_cfg, dropout)

    def forward(self, x: Sequence[Any], patient: Tensor | None = None) -> list[Tensor]:
        """Return the logits [[N, num_classes]].

        Args:
            x: Features as for ``ClsHead``.
            patient: Age, site and sex as codes [N, D] (float32), see ``encode_patient``; required.

        Raises:
            UserError: The batch has no metadata.
        """
        if patient is None:
            raise UserError(
                "MetadataClsHead needs age, site and sex: give the data_source of this data set "
                "patients='.../ISIC_2019_Training_Metadata.csv'"
            )
        h = torch.cat((self.pooled(x), self.metadata_net(self.hide(patient))), dim=1)
        return [self.scores(self.fusion(h))]
