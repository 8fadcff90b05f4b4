"""The progress of the training, passed on to the modules of the model."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.module import unwrap

from .epochs import counts_epochs


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
