"""A constant learning rate of the predictor while the others decay."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from .finetune_hooks import needs_epochs


@HOOKS.register_module()
class SimSiamHook(Hook):  # type: ignore[misc]
    """A hook that fixes the learning rate of the parameter groups marked with ``fix_lr``.

    SimSiam, section 4.2: a predictor whose rate doesn't decay does better. The groups are marked
    in the config: ``optimizer.paramwise_options={'predictor': dict(fix_lr=True)}``. Where the
    rate is also changed in every iteration (warm-up, ``by_epoch=False``), set
    ``adjust_by_epoch=False``.

    Args:
        fix_pred_lr: False leaves all rates unchanged.
        lr: The fixed rate.
        adjust_by_epoch: Whether to set it at the start of each epoch; otherwise before each
            iteration.
    """

    def __init__(self, fix_pred_lr: bool, lr: float, adjust_by_epoch: bool = True) -> None:
        self.fix_pred_lr = fix_pred_lr
        self.lr = lr
        self.adjust_by_epoch = adjust_by_epoch

    def before_run(self, runner: Any) -> None:
        """Check that the runner counts epochs, if the rate is set once per epoch."""
        if self.adjust_by_epoch:
            needs_epochs(runner, self, "set adjust_by_epoch=False")

    def before_train_epoch(self, runner: Any) -> None:
        """Set the rate, if once per epoch is enough."""
        if self.adjust_by_epoch:
            self._fix(runner)

    def before_train_iter(self, runner: Any) -> None:
        """Set the rate, if it has to be set in every iteration."""
        if not self.adjust_by_epoch:
            self._fix(runner)

    def _fix(self, runner: Any) -> None:
        if not self.fix_pred_lr:
            return
        for group in runner.optimizer.param_groups:
            if group.get("fix_lr"):
                group["lr"] = self.lr
