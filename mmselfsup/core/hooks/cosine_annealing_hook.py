"""The learning rate of masked image modelling: a straight warm-up, then a cosine behind it."""

from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner.hooks.lr_updater import CosineAnnealingLrUpdaterHook, annealing_cos


@HOOKS.register_module()
class StepFixCosineAnnealingLrUpdaterHook(CosineAnnealingLrUpdaterHook):  # type: ignore[misc]
    """mmcv's cosine, begun where the warm-up ends, and a linear warm-up that begins at 0.

    ``lr_config=dict(policy="StepFixCosineAnnealing", ...)`` asks for it. With w iterations of
    warm-up and n in all, iteration i has the cosine at ``(i - w) / (n - w)``, where mmcv's own
    runs it from the first iteration on; before w that value (the cosine goes back as it came)
    is multiplied by ``i / w``. So did 0.x for its masked-image methods.

    Args:
        min_lr, min_lr_ratio, **kwargs: see mmcv; ``warmup_ratio`` counts for the warm-ups
            ``'exp'`` and ``'constant'`` only.
    """

    def get_warmup_lr(self, cur_iters: int) -> Any:
        """Rates of iteration ``cur_iters`` of the warm-up, one a parameter group."""
        if self.warmup != "linear":
            return super().get_warmup_lr(cur_iters)
        share = cur_iters / self.warmup_iters  # 0 to 1
        if isinstance(self.regular_lr, dict):
            return {name: [lr * share for lr in group] for name, group in self.regular_lr.items()}
        return [lr * share for lr in self.regular_lr]

    def get_lr(self, runner: Any, base_lr: float) -> float:
        """Rate of the runner's epoch or iteration, counted from the end of the warm-up."""
        warmup = self.warmup_iters or 0
        if self.by_epoch:
            done, end = runner.epoch, runner.max_epochs
            warmup = warmup / len(runner.data_loader)
        else:
            done, end = runner.iter, runner.max_iters
        target = base_lr * self.min_lr_ratio if self.min_lr_ratio is not None else self.min_lr
        return annealing_cos(base_lr, target, (done - warmup) / max(end - warmup, 1))
