"""The memory bank of NPID: Wu et al. 2018, section 3.1.

Letters: L images of the data set, N images of this process, D width of a feature.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmselfsup.utils.alias_multinomial import AliasMethod

from ..builder import MEMORIES
from .base import FeatureBank


@MEMORIES.register_module()
class SimpleMemory(FeatureBank):
    """One feature for each image, and a sampler of images as negatives.

    Args:
        length: L, the number of training images; None takes it from the data.
        feat_dim: D.
        momentum: Coefficient of the new feature in an update, 0 to 1.
        **kwargs: Ignored, as in 0.x.

    Raises:
        ArgumentError: See ``FeatureBank``.
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
        """Return the sampler of negatives: ``multinomial.draw(num)`` gives indices [num] (int64).

        All images have the same probability. The sampler is on the device of the bank and uses
        torch's generator of that device.
        """
        # The sampler is built again when the bank has got another length or device; one that the
        # user set stays.
        bank = self.feature_bank
        table = self._multinomial
        fits = table is not None and (
            not isinstance(table, AliasMethod)
            or (len(table.prob) == len(bank) and table.prob.device == bank.device)
        )
        if not fits:
            # From the host: building it reads the weights.
            self._multinomial = AliasMethod(torch.from_numpy(np.ones(len(bank)))).to(bank.device)
        return self._multinomial

    @multinomial.setter
    def multinomial(self, table: Any) -> None:
        self._multinomial = table

    def update(self, ind: Tensor, feature: Tensor) -> None:
        """Blend the features of a batch into the rows of its images, over all ranks.

        Args:
            ind: Indices of the images, [N] (int64), 0 to L - 1.
            feature: Features of any length, [N, D].

        Raises:
            ArgumentError: The length is not known yet.
        """
        self.blend(ind, feature)
