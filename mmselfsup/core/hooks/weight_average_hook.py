"""A moving average of the weights, which is what is evaluated and saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmcv.runner import HOOKS, Hook
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.sharding import is_sharded

from .optimizer_hook import ends_step, interval_of_steps

FILE = "averaged.pth"


@HOOKS.register_module()
class WeightAverageHook(Hook):  # type: ignore[misc]
    """An exponential moving average of the weights over the steps (after Polyak and Juditsky 1992).

    ``average <- m * average + (1 - m) * weights`` after every step, running statistics of
    normalisation layers included. Other buffers, such as queues and memory banks, are no weights:
    they are not averaged, and an evaluation sees those of the training. ``m`` is ``momentum``, in
    the first steps ``(1 + t) / (10 + t)`` where that is smaller, so that the random start quickly
    loses its weight.

    Training doesn't use the average. Evaluation and the best checkpoint do; at the end
    ``averaged.pth`` holds it. The other checkpoints hold the weights of the training, and
    additionally the average for a resume. What a model leaves out of its checkpoints (the teacher
    of ``Distillation``) is not averaged.

    Args:
        momentum: The m of the formula, at least 0 and below 1. The average is dominated by the last
            ``1 / (1 - m)`` steps.
        update_interval: Iterations per update. None takes that of the optimizer hook, any other
            value than that is refused.

    Raises:
        ArgumentError: An argument is out of range.
    """

    #: After the optimizer's step (40), before a checkpoint is written (50).
    default_priority = 45

    def __init__(self, momentum: float = 0.999, update_interval: int | None = None) -> None:
        if not 0 <= momentum < 1 or (update_interval is not None and update_interval < 1):
            raise ArgumentError(
                f"momentum must be at least 0 and below 1 and update_interval at least 1, got "
                f"{momentum} and {update_interval}"
            )
        self.momentum, self.update_interval = momentum, update_interval
        self._interval = update_interval or 1
        self.updates = 0
        self.average: dict[str, Tensor] = {}

    def before_run(self, runner: Any) -> None:
        """Start from the weights, or continue with the average of the checkpoint.

        Raises:
            UserError: The config asks for another interval than that of the optimizer's steps, or
                the model is sharded.
        """
        if is_sharded(unwrap(runner.model)):
            raise UserError(
                "WeightAverageHook: each rank would have a part of the average only; leave out the "
                "hook or sharding"
            )
        self._interval = interval_of_steps(runner, self, self.update_interval)
        model = unwrap(runner.model)
        saved = model.state_dict().keys()
        weights = {name: w for name, w in averaged_tensors(model).items() if name in saved}
        start = self.average or weights  # that of an earlier version has other tensors as well
        self.average = {
            name: start[name].detach().clone().to(tensor.device) for name, tensor in weights.items()
        }

    def after_train_iter(self, runner: Any) -> None:
        """Update the average."""
        if not ends_step(runner, self._interval):
            return
        momentum = min(self.momentum, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        old: list[Tensor] = []
        new: list[Tensor] = []
        for name, tensor in self._live(runner).items():
            if tensor.is_floating_point():
                old.append(self.average[name])
                new.append(tensor)
            else:  # counters, such as those of batch normalisation
                self.average[name].copy_(tensor)
        torch._foreach_lerp_(old, new, 1 - momentum)

    @contextmanager
    def evaluation_weights(self, runner: Any) -> Iterator[None]:
        """Load the average into the model, and restore its own weights at the end of the block."""
        live = self._live(runner)
        own = {name: tensor.detach().clone() for name, tensor in live.items()}
        try:
            for name, tensor in live.items():
                tensor.copy_(self.average[name])
            yield
        finally:
            for name, tensor in live.items():
                tensor.copy_(own[name])

    def _live(self, runner: Any) -> dict[str, Tensor]:
        """Return the tensors of the model that have an average, by name."""
        tensors = averaged_tensors(unwrap(runner.model))
        return {name: tensors[name] for name in self.average}

    def after_run(self, runner: Any) -> None:
        """Write the average as a separate checkpoint."""
        if runner.work_dir:
            with self.evaluation_weights(runner):
                runner.save_checkpoint(
                    runner.work_dir, FILE, save_optimizer=False, create_symlink=False
                )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs."""
        return {"updates": self.updates, "average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what ``state_dict`` returned."""
        self.updates, self.average = int(state["updates"]), dict(state["average"])


def averaged_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and the running statistics of normalisation layers, by name."""
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    for prefix, module in model.named_modules():
        if isinstance(module, _NormBase):
            tensors.update(module.named_buffers(prefix, recurse=False))
    return tensors
