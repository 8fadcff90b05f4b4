"""A classifier of the image together with age, site and sex of the patient.

Letters: N images, D width of a patient's code.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.patients import PARTS, WIDTH, encode_patient

from ..builder import HEADS
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


class HideMetadata(nn.Module):
    """Replacement of age, site and sex by "not known", each independently, in training only.

    A network that always has them would rely on them, and learn that images without them come from
    a clinic that doesn't record them. Source: Gessert et al. 2020 (see ``encode_patient``), who
    hide each with a probability of 0.1.

    Args:
        prob: Probability of hiding each of them, 0 to 1.

    Raises:
        ArgumentError: ``prob`` is out of range.
    """

    nothing: Tensor
    part: Tensor

    def __init__(self, prob: float) -> None:
        super().__init__()
        if not 0 <= prob <= 1:
            raise ArgumentError(f"missing_prob must be 0 to 1, got {prob}")
        self.prob = prob
        parts = [number for number, width in enumerate(PARTS.values()) for _ in range(width)]
        self.register_buffer("nothing", torch.from_numpy(encode_patient()), persistent=False)  # [D]
        self.register_buffer("part", torch.tensor(parts), persistent=False)  # [D], 0, 1 or 2

    def forward(self, patient: Tensor) -> Tensor:
        """Return the codes [N, D] with hidden parts; the input is not changed.

        Args:
            patient: Codes [N, D] (float32), see ``encode_patient``.
        """
        if not self.training or not self.prob:
            return patient
        # One draw for each part of a code (age, site, sex), spread over the columns of the part.
        hidden = torch.rand(len(patient), len(PARTS), device=patient.device) < self.prob
        return torch.where(hidden[:, self.part], self.nothing, patient)

    def extra_repr(self) -> str:
        """Return the arguments for ``repr``."""
        return f"prob={self.prob}"


def dense_layers(widths: Sequence[int], norm_cfg: dict, dropout: float) -> nn.Sequential:
    """Return linear layers, each followed by a normalisation, ReLU and dropout.

    Args:
        widths: Widths of the input and of each layer's output; with one entry, the input's, the
            network is the identity.
        norm_cfg: Config of the normalisation.
        dropout: Probability of setting an output to zero in training, 0 to 1.

    Returns:
        A network from [N, widths[0]] to [N, widths[-1]].
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        norm = build_norm_layer(norm_cfg, after)[1]
        layers += [nn.Linear(before, after), norm, nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
