"""Hooks of a fine-tuning: the head alone first, and modules that follow the training's progress.

``needs_epochs`` is for every hook that acts between epochs: not all runners count them.
"""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.module import unwrap

from .optimizer_hook import DistOptimizerHook


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


@HOOKS.register_module(name=["TrainingProgressHook", "TrainingShareHook"])
class TrainingProgressHook(Hook):  # type: ignore[misc]
    """A default hook that calls ``set_progress(progress)`` of every module that has this method.

    ``progress`` is the fraction of the training that is done, 0 to 1: whole epochs, or iterations
    where the runner counts those. A resumed run continues with the right one.
    """

    def before_run(self, runner: Any) -> None:
        """Find the modules."""
        self.modules: list[Any] = [
            m for m in unwrap(runner.model).modules() if hasattr(m, "set_progress")
        ]
        self.by_epoch = counts_epochs(runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Report the progress by epochs."""
        if self.by_epoch:
            self._report(runner.epoch / runner.max_epochs)

    def before_train_iter(self, runner: Any) -> None:
        """Report the progress by iterations."""
        if not self.by_epoch:
            self._report(runner.iter / runner.max_iters)

    def _report(self, progress: float) -> None:
        for module in self.modules:
            module.set_progress(progress)


#: The name of earlier versions, for their configs and imports.
TrainingShareHook = TrainingProgressHook


def counts_epochs(runner: Any) -> bool:
    """Return whether the runner counts epochs; otherwise it counts iterations."""
    return getattr(runner, "max_epochs", 0) is not None


def needs_epochs(
    runner: Any, hook: Any, advice: str = "use runner.type='EpochBasedRunner'"
) -> None:
    """Check that the runner counts epochs: one that counts iterations never calls the hook.

    Args:
        runner: The runner of the training.
        hook: The hook that acts between epochs; the error names its class.
        advice: What the user can do.

    Raises:
        UserError: The runner has no epochs.
    """
    if not counts_epochs(runner):
        raise UserError(f"{type(hook).__name__}: this runner has no epochs; {advice}")
