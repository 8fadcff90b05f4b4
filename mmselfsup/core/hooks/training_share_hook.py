"""Tell the modules of a model how far the training is."""

from typing import Any

from mmcv.runner import HOOKS, Hook

from mmselfsup.utils.module import unwrap

from .epochs import counts_epochs


@HOOKS.register_module()
class TrainingShareHook(Hook):  # type: ignore[misc]
    """Call ``set_progress(share)`` of every module that has it; every training has this hook.

    ``share`` is the part of the training that is done, 0 to 1: whole epochs, or iterations where
    the runner counts those. A resumed run goes on with the right one.
    """

    def before_run(self, runner: Any) -> None:
        self.modules: list[Any] = [
            m for m in unwrap(runner.model).modules() if hasattr(m, "set_progress")
        ]
        self.by_epoch = counts_epochs(runner)

    def before_train_epoch(self, runner: Any) -> None:
        if self.by_epoch:
            self._tell(runner.epoch / runner.max_epochs)

    def before_train_iter(self, runner: Any) -> None:
        if not self.by_epoch:
            self._tell(runner.iter / runner.max_iters)

    def _tell(self, share: float) -> None:
        for module in self.modules:
            module.set_progress(share)
