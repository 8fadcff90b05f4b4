"""Advice on the speed of a run: what limits it, and which settings would help."""

import os
import time
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.device import num_gpus
from mmselfsup.utils.dist import is_main
from mmselfsup.utils.module import unwrap

#: Fraction of the time spent waiting for data above which the loader is the bottleneck.
DATA_BOUND = 0.1
_WARM_UP = 2  # iterations that start workers, choose kernels and compile


@HOOKS.register_module()
class SpeedAdviceHook(Hook):  # type: ignore[misc]
    """A log line after the iterations of one epoch: images/s, what limits them, and what to try.

    Only settings that are not in use are named. Epochs of up to two iterations give no line.
    """

    def before_run(self, runner: Any) -> None:
        """Reset the counters."""
        self._seen, self._images, self._waited = 0, 0, 0.0

    def before_train_iter(self, runner: Any) -> None:
        """Add the time that the step waited for this batch."""
        if self._seen == _WARM_UP:
            self._begin = self._end
        if self._seen >= _WARM_UP:
            self._waited += time.perf_counter() - self._end

    def after_train_iter(self, runner: Any) -> None:
        """Count the images; after as many iterations as an epoch has, log the advice."""
        self._end = time.perf_counter()
        self._seen += 1
        if self._seen <= _WARM_UP:
            return
        self._images += runner.outputs.get("num_samples", 0) * runner.world_size
        if self._seen == len(runner.data_loader) and is_main():
            spent = self._end - self._begin
            runner.logger.info(advice(runner, self._images / spent, self._waited / spent))


def advice(runner: Any, images_per_s: float, waited: float) -> str:
    """Return the line for the log.

    Args:
        runner: The runner whose model and loader are checked for settings that are not in use.
        images_per_s: Images of all ranks per second.
        waited: Fraction of the time spent waiting for data, 0 to 1.
    """
    start = f"speed: {images_per_s:.1f} images/s, {waited:.0%} of the time waiting for data"
    if waited > DATA_BOUND:
        return f"{start}; the data limit it: try {' and '.join(_data_settings(runner))}"
    unused = _model_settings(unwrap(runner.model))
    hint = f": try {', '.join(unused)}" if unused else ""
    return f"{start}; the model limits it{hint}"


def _data_settings(runner: Any) -> list[str]:
    """Return the unused settings that would make the data faster."""
    loader = runner.data_loader
    workers, cores = getattr(loader, "num_workers", 0), os.cpu_count() or 1
    settings = []
    dataset = getattr(loader, "dataset", None)
    pipelines = getattr(dataset, "batched_pipelines", ())  # () where the data set has none
    if pipelines and not num_gpus():
        settings.append("device_transforms=False in the data set (it is for GPUs)")
    source = getattr(dataset, "data_source", None)
    if source is not None and getattr(source, "cache", None) is None:
        settings.append("cache=dict(dir=..., short_side=256) in the data source")
    if pipelines is None and num_gpus():
        settings.append("device_transforms=True in the data set")
    if workers < cores:
        settings.append(f"a data.workers_per_gpu above {workers} ({cores} cores here)")
    return settings or ["smaller images (cache.short_side)"]


def _model_settings(model: Any) -> list[str]:
    """Return the unused settings that would make the model faster."""
    modules, params = list(model.modules()), list(model.parameters())
    # Weights [O, I, kH, kW] with I, kH or kW of 1 can be contiguous in both layouts: left out.
    layout = torch.channels_last
    last = any(p.dim() == 4 and min(p.shape[1:]) > 1 for p in params) and not any(
        p.dim() == 4 and min(p.shape[1:]) > 1 and p.is_contiguous(memory_format=layout)
        for p in params
    )
    half = getattr(model, "fp16_enabled", False) or getattr(model, "amp_dtype", None) is not None
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in modules)
    unused = {"amp=dict(dtype='auto')": not half, "channels_last=True": last}
    return [name for name, free in {**unused, "compile=True": not compiled}.items() if free]
