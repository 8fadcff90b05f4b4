"""The memory bank of NPID: Wu et al. 2018, section 3.1."""

from typing import Any

import torch
from torch import Tensor

from ...utils.alias_multinomial import AliasMethod
from ..builder import MEMORIES
from .base import FeatureBank


@MEMORIES.register_module()
class SimpleMemory(FeatureBank):
    """One feature for each image, and a way to draw images for negatives.

    Args:
        length: Number of training images; None takes it from the data.
        feat_dim: Width of a feature.
        momentum: Share of the new feature, 0 to 1.
        **kwargs: Ignored, as in 0.x.
    """

    def __init__(
        self,
        length: int | None = None,
        feat_dim: int = 128,
        momentum: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(length, feat_dim, momentum)
        self._multinomial: Any = None

    @property
    def multinomial(self) -> Any:
        """Draws images with equal chances: ``multinomial.draw(num)`` -> indices [num] (int64).

        It lives on the device of the bank and draws from torch's generator of that device.
        """
        bank = self.feature_bank
        table = self._multinomial
        fits = table is not None and (
            not isinstance(table, AliasMethod)
            or (len(table.prob) == len(bank) and table.prob.device == bank.device)
        )
        if not fits:
            self._multinomial = AliasMethod(torch.ones(len(bank), device=bank.device))
        return self._multinomial

    @multinomial.setter
    def multinomial(self, table: Any) -> None:
        self._multinomial = table

    def update(self, ind: Tensor, feature: Tensor) -> None:
        """Blend the features [N, D] of the images ``ind`` [N] into their rows, over all ranks."""
        self.blend(ind, feature)
