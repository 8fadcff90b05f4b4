"""Training of the head alone first, then of the whole model."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.module import unwrap

from .dist_optimizer_hook import DistOptimizerHook
from .epochs import needs_epochs


@HOOKS.register_module()
class ProbeFirstHook(Hook):  # type: ignore[misc]
    """A hook that freezes the backbone for the first epochs: a linear probe, then fine-tuning.

    A random head sends large gradients into a pre-trained backbone and distorts its features (Kumar
    et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
    ICLR 2022). The statistics of its batch normalisation stay unchanged, too. This works with any
    number of processes: gradients are computed and dropped before the step.

    Args:
        epochs: Number of epochs of the probe.
        part: Name of the part of the model that is frozen.

    Raises:
        ArgumentError: ``epochs`` is negative.
        UserError: The model has no such part, or the optimizer hook is another one.
    """

    def __init__(self, epochs: int, part: str = "backbone") -> None:
        if epochs < 0:
            raise ArgumentError(f"epochs must be 0 or more, got {epochs}")
        self.epochs, self.part = epochs, part

    def before_run(self, runner: Any) -> None:
        """Find the part and the optimizer hook."""
        needs_epochs(runner, self)
        self.module: Any = getattr(unwrap(runner.model), self.part, None)
        hooks = [hook for hook in runner.hooks if isinstance(hook, DistOptimizerHook)]
        if self.module is None or not hooks:
            raise UserError(
                f"custom_hooks: ProbeFirstHook needs model.{self.part} and optimizer_config of "
                "type DistOptimizerHook or GradAccumFp16OptimizerHook"
            )
        self.optimizer_hook = hooks[0]

    def before_train_epoch(self, runner: Any) -> None:
        """Keep the part out of the step until the probe is over."""
        last = self.epochs * len(runner.data_loader)
        # The dot excludes parts whose names only begin the same.
        self.optimizer_hook.frozen_layers_cfg[f"{self.part}."] = last
        if runner.epoch < self.epochs:
            self.module.eval()  # the runner calls train() at the start of the next epoch
