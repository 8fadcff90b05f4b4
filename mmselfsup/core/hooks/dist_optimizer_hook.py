"""Optimizer steps over one or several batches, and the norm of the gradient for the log."""

from contextlib import ExitStack
from typing import Any

from mmcv.runner import HOOKS, OptimizerHook
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from mmselfsup.utils.errors import UserError

from .gradients import drop_gradients, gradient_norm


@HOOKS.register_module()
class DistOptimizerHook(OptimizerHook):  # type: ignore[misc]
    """Backward pass and optimizer step, in one process or several.

    Logs ``grad_norm``, the L2 norm of the gradient before clipping, without waiting for it.

    Args:
        update_interval: Iterations per optimizer step; the loss is divided by the number of
            batches in a step. With several processes gradients are exchanged once per step.
        grad_clip: Arguments of ``torch.nn.utils.clip_grad_norm_``, as ``dict(max_norm=5.)``.
        coalesce, bucket_size_mb: Unused, from MMSelfSup 0.x; ``DistributedDataParallel`` decides.
        frozen_layers_cfg: Part of a parameter name -> iterations from the start without gradient.
        detect_anomalous_params: Whether to log parameters that the loss doesn't depend on (slow).

    Raises:
        UserError: ``update_interval`` is not a positive integer.
    """

    def __init__(
        self,
        update_interval: int = 1,
        grad_clip: dict[str, Any] | None = None,
        coalesce: bool = True,
        bucket_size_mb: int = -1,
        frozen_layers_cfg: dict[str, int] | None = None,
        detect_anomalous_params: bool = False,
    ) -> None:
        super().__init__(grad_clip, detect_anomalous_params)
        if not isinstance(update_interval, int) or update_interval < 1:
            raise UserError(f"update_interval is {update_interval!r}: give an integer from 1")
        self.update_interval = update_interval
        self.frozen_layers_cfg = dict(frozen_layers_cfg or {})
        self._first_iter = 0
        self._no_sync = ExitStack()

    def before_run(self, runner: Any) -> None:
        """Start from an empty gradient."""
        self._first_iter = runner.iter
        runner.optimizer.zero_grad()
        if runner.iter % self.update_interval:
            runner.logger.warning("resumed between two steps: the first one has fewer batches")
        norms = [m for m in runner.model.modules() if isinstance(m, _BatchNorm)]
        if self.update_interval > 1 and norms:
            runner.logger.warning("update_interval: batch normalisation still sees single batches")

    def before_train_iter(self, runner: Any) -> None:
        """Postpone the exchange of gradients to the last batch of a step."""
        if not self._is_step(runner) and hasattr(runner.model, "no_sync"):
            self._no_sync.enter_context(runner.model.no_sync())

    def after_train_iter(self, runner: Any) -> None:
        """Run the backward pass; on the last batch of a step: freeze, clip, log, step."""
        loss: Tensor = runner.outputs["loss"]
        if self.detect_anomalous_params:
            self.detect_anomalous_parameters(loss, runner)
        self._backward(loss / self._num_batches(runner))
        self._no_sync.close()  # only now: gradients are exchanged during the backward pass
        if not self._is_step(runner):
            return
        frozen = [part for part, iters in self.frozen_layers_cfg.items() if runner.iter < iters]
        drop_gradients(runner.model, frozen)
        norm = self._finish_gradients(runner)
        if norm is not None:
            runner.log_buffer.update({"grad_norm": norm}, runner.outputs["num_samples"])
        self._step(runner)
        runner.optimizer.zero_grad()

    def _is_step(self, runner: Any) -> bool:
        return self.every_n_iters(runner, self.update_interval) or self.is_last_iter(runner)

    def _num_batches(self, runner: Any) -> int:
        """Return how many batches the step of this iteration consists of."""
        # The last step has fewer, and so has the first one of a run resumed between two steps.
        start = runner.iter - runner.iter % self.update_interval
        end = min(start + self.update_interval, runner.max_iters)
        return end - max(start, self._first_iter)

    def _backward(self, loss: Tensor) -> None:
        loss.backward()

    def _finish_gradients(self, runner: Any) -> Tensor | None:
        """Clip the gradients if configured, and return the norm before that, on its device."""
        params = list(runner.model.parameters())
        return self.clip_grads(params) if self.grad_clip is not None else gradient_norm(params)

    def _step(self, runner: Any) -> None:
        runner.optimizer.step()
