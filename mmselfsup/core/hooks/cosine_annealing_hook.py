"""The learning rate of masked image modelling: a linear warm-up, then a cosine."""

from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner.hooks.lr_updater import CosineAnnealingLrUpdaterHook, annealing_cos


@HOOKS.register_module()
class StepFixCosineAnnealingLrUpdaterHook(CosineAnnealingLrUpdaterHook):  # type: ignore[misc]
    """mmcv's cosine that starts where the warm-up ends, and a linear warm-up that starts at 0.

    ``lr_config=dict(policy="StepFixCosineAnnealing", ...)`` selects it. With w iterations of
    warm-up and n in all, iteration i has the cosine at ``(i - w) / (n - w)``, while mmcv's own
    hook runs it from the first iteration on; before w that value (the cosine is symmetric)
    is multiplied by ``i / w``. MMSelfSup 0.x did the same for its masked-image methods. Where the
    warm-up is not shorter than the run there is no cosine, only ``i / w`` (0.x: 0 in every other
    iteration).

    Args:
        min_lr, min_lr_ratio: See mmcv.
        **kwargs: See mmcv; ``warmup_ratio`` is used by the warm-ups ``'exp'``
            and ``'constant'`` only.
    """

    def get_warmup_lr(self, cur_iters: int) -> Any:
        """Return the rates of iteration ``cur_iters`` of the warm-up, one per parameter group."""
        if self.warmup != "linear":
            return super().get_warmup_lr(cur_iters)
        fraction = cur_iters / self.warmup_iters  # 0 to 1
        if isinstance(self.regular_lr, dict):
            return {
                name: [lr * fraction for lr in group] for name, group in self.regular_lr.items()
            }
        return [lr * fraction for lr in self.regular_lr]

    def get_lr(self, runner: Any, base_lr: float) -> float:
        """Return the rate of the runner's epoch or iteration, from the end of the warm-up on."""
        warmup = self.warmup_iters or 0
        if self.by_epoch:
            done, end = runner.epoch, runner.max_epochs
            warmup = warmup / len(runner.data_loader)  # mmcv counts the warm-up in iterations
        else:
            done, end = runner.iter, runner.max_iters
        if end <= warmup:
            return base_lr
        target = base_lr * self.min_lr_ratio if self.min_lr_ratio is not None else self.min_lr
        return annealing_cos(base_lr, target, (done - warmup) / max(end - warmup, 1))
