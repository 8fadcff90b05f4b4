"""Training with the loss of whole images first, and the dense loss later."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap


@HOOKS.register_module()
class DenseCLHook(Hook):  # type: ignore[misc]
    """A hook that holds the model's ``loss_lambda`` at 0 for the first iterations.

    At the start the feature maps can't distinguish positions, and matches between them are noise
    (DenseCL, section 3.4). Only the iteration counts, so a resumed run needs no stored state.

    Args:
        start_iters: Number of iterations without the dense loss.
    """

    def __init__(self, start_iters: int = 1000) -> None:
        self.start_iters = start_iters
        self.loss_lambda: float | None = None

    def before_run(self, runner: Any) -> None:
        """Store the weight of the config."""
        model: Any = unwrap(runner.model)
        if not hasattr(model, "loss_lambda"):
            raise UserError(
                f"custom_hooks: DenseCLHook needs loss_lambda in the model, which "
                f"{type(model).__name__} doesn't have"
            )
        self.loss_lambda = model.loss_lambda

    def before_train_iter(self, runner: Any) -> None:
        """Set the weight of this iteration."""
        model: Any = unwrap(runner.model)
        model.loss_lambda = self.loss_lambda if runner.iter >= self.start_iters else 0.0

    def after_run(self, runner: Any) -> None:
        """Restore the weight, for a further run of the same model."""
        model: Any = unwrap(runner.model)
        model.loss_lambda = self.loss_lambda
