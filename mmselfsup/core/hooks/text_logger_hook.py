"""The log as text and as JSON lines."""

from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner import TextLoggerHook as MMCVTextLoggerHook


@HOOKS.register_module(force=True)
class TextLoggerHook(MMCVTextLoggerHook):  # type: ignore[misc]
    """mmcv's hook with six significant digits in the JSON file.

    mmcv rounds to five decimals: a learning rate of 1e-6 would become 0.
    """

    def _round_float(self, items: Any) -> Any:
        if isinstance(items, list):
            return [self._round_float(item) for item in items]
        return float(f"{items:.6g}") if isinstance(items, float) else items

    def _log_info(self, log_dict: dict[str, Any], runner: Any) -> None:
        # mmcv prints the GPU's memory itself, as "memory"; ``idle_share`` covers the idle time.
        left_out = ("gpu_memory", "idle_time")
        super()._log_info({k: v for k, v in log_dict.items() if k not in left_out}, runner)
