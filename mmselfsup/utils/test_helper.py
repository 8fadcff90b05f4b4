"""The test loops of MMSelfSup 0.x; both call ``collect_results``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from .collect import collect_results


def single_gpu_test(model: nn.Module, data_loader: DataLoader[Any]) -> dict[str, NDArray[Any]]:
    """Run the test loop; see ``mmselfsup.utils.collect.collect_results``."""
    return collect_results(model, data_loader)


def multi_gpu_test(
    model: nn.Module,
    data_loader: DataLoader[Any],
    tmpdir: str | None = None,
    gpu_collect: bool = False,
) -> dict[str, NDArray[np.generic]]:
    """Run the test loop on all ranks; every rank gets all results.

    ``tmpdir`` and ``gpu_collect`` are not used; they are accepted for calls written for 0.x.
    """
    return collect_results(model, data_loader)
