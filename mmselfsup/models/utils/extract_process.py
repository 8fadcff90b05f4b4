"""Features of a whole data set, as numpy arrays.

Letters: N samples of a batch or of the data set, C channels, D width of a feature, S side of a
pooled map.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmselfsup.utils import dist
from mmselfsup.utils.collect import dist_forward_collect, nondist_forward_collect

from .multi_pooling import MultiPooling
from .views import pooled


class ExtractProcess:
    """The extraction of the last stage's features, one vector per image, as ``feat``.

    ``pooled`` says which vector: the class token, or the mean over all places. With any argument it
    extracts what ``MultiExtractProcess`` does: that class had this name in v0.5.0.

    Args:
        pool_type: See ``MultiExtractProcess``; None is its default.
        backbone: See ``MultiExtractProcess``; None is its default.
        layer_indices: See ``MultiExtractProcess``; None is its default.

    Raises:
        ArgumentError: See ``MultiPooling``.
    """

    multi_pooling: MultiPooling | None = None
    layer_indices: Sequence[int] = ()

    def __init__(
        self,
        pool_type: str | None = None,
        backbone: str | None = None,
        layer_indices: Sequence[int] | None = None,
    ) -> None:
        if (pool_type, backbone, layer_indices) == (None, None, None):
            return
        self.layer_indices = tuple(range(5)) if layer_indices is None else layer_indices
        self.multi_pooling = MultiPooling(
            pool_type or "specified", self.layer_indices, backbone or "resnet50"
        )

    def pool(self, features: Sequence[Any]) -> dict[str, Tensor]:
        """Return the features of a batch for the output of ``extract_feat``, an entry a stage.

        Returns:
            ``feat`` [N, C]; of ``MultiExtractProcess`` ``feat{i + 1}`` [N, C_i, S_i, S_i].
        """
        if self.multi_pooling is None:
            return {"feat": pooled(features[-1])}
        maps = self.multi_pooling(features)
        return {f"feat{i + 1}": x for i, x in zip(self.layer_indices, maps, strict=True)}

    def extract_batch(self, model: nn.Module, **data: Any) -> dict[str, Tensor]:
        """Return the features of one batch, each [N, D], float32 on the CPU.

        Args:
            model: An algorithm in eval mode.
            **data: A batch; ``img`` is [N, C, H, W].
        """
        parts = self.pool(model(mode="extract", **data))
        return {name: value.flatten(1).float().cpu() for name, value in parts.items()}  # [N, D]

    @torch.no_grad()
    def extract(
        self, model: nn.Module, data_loader: DataLoader, distributed: bool = False
    ) -> dict[str, np.ndarray]:
        """Return the features of all samples in the order of the data set.

        Args:
            model: An algorithm in eval mode.
            data_loader: A loader of the data set, whose order doesn't matter; the ranks share the
                work.
            distributed: An argument of 0.x; the result is the same for both values.

        Returns:
            Arrays [N, D], float32, equal on all ranks.

        Raises:
            ValueError: The data set is empty.
        """
        length = len(data_loader.dataset)  # type: ignore[arg-type]

        def run(**data: Any) -> dict[str, Tensor]:
            return self.extract_batch(model, **data)

        if distributed:
            return dist_forward_collect(run, data_loader, dist.get_rank(), length, desc="features")
        return nondist_forward_collect(run, data_loader, length, desc="features")


class MultiExtractProcess(ExtractProcess):
    """The extraction of every stage's features, pooled by ``MultiPooling``: ``feat1`` .. ``feat5``.

    Args:
        pool_type: See ``MultiPooling``.
        backbone: See ``MultiPooling``.
        layer_indices: Outputs of the backbone, 0 to 4; ``feat{i + 1}`` is output ``i``.

    Raises:
        ArgumentError: See ``MultiPooling``.
    """

    def __init__(
        self,
        pool_type: str = "specified",
        backbone: str = "resnet50",
        layer_indices: Sequence[int] = (0, 1, 2, 3, 4),
    ) -> None:
        super().__init__(pool_type, backbone, layer_indices)
