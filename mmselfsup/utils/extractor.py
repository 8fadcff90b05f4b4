"""Features of the training images, for clustering. Letters: N images, D width of a feature."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from .collect import nondist_forward_collect
from .device import batch_size
from .module import unwrap


class Extractor:
    """A model's backbone and neck, run over a data set in its order on any number of ranks.

    Args:
        dataset: A data set, or its config.
        samples_per_gpu: Batch size of each rank.
        workers_per_gpu: Worker processes of each rank.
        dist_mode: Whether the images are divided among the ranks.
        persistent_workers: Keep the workers alive for the next call.
        imgs_per_gpu: Old name of ``samples_per_gpu``.
        **kwargs: Further arguments of ``build_dataloader``, such as ``prefetch``.

    Raises:
        TypeError: ``dataset`` is neither a data set nor a dict.
    """

    def __init__(
        self,
        dataset: Any,
        samples_per_gpu: int | None = None,
        workers_per_gpu: int = 1,
        dist_mode: bool = False,
        persistent_workers: bool = True,
        imgs_per_gpu: int | None = None,
        **kwargs: Any,
    ) -> None:
        from mmselfsup.datasets import (  # a higher layer: a cycle at import
            build_dataloader,
            build_dataset,
        )

        if not isinstance(dataset, Dataset | dict):
            raise TypeError(
                f"dataset must be a Dataset object or a dict, got {type(dataset).__name__}"
            )
        self.dataset: Any = build_dataset(dataset) if isinstance(dataset, dict) else dataset
        self.dist_mode = dist_mode
        self.data_loader = build_dataloader(
            self.dataset,
            imgs_per_gpu=imgs_per_gpu,
            samples_per_gpu=samples_per_gpu,
            workers_per_gpu=workers_per_gpu,
            dist=dist_mode,
            shuffle=False,
            persistent_workers=persistent_workers,
            **kwargs,
        )

    def _forward_func(self, runner: Any, **x: Any) -> dict[str, Tensor]:
        """Return ``feature`` [N, D] of one batch, on the CPU."""
        module: Any = unwrap(runner.model)
        last = module(mode="extract", **x)[-1]
        if last.dtype in (torch.float16, torch.bfloat16):  # the neck runs outside autocast
            last = last.float()
        if getattr(module, "neck", None) is not None:
            last = module.neck([last])[-1]
        return {"feature": last.reshape(batch_size(x), -1).cpu()}

    def __call__(self, runner: Any) -> NDArray[np.float32]:
        """Return the features of all images, [N, D], on every rank.

        Args:
            runner: An object with the ``model``, which is in eval mode during the call.
        """
        module = unwrap(runner.model)
        was_training = module.training
        module.eval()
        try:
            results = nondist_forward_collect(
                lambda **x: self._forward_func(runner, **x),
                self.data_loader,
                len(self.dataset),
                desc="features",
            )
        finally:
            module.train(was_training)
        return results["feature"]
