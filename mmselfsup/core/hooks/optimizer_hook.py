"""Optimizer steps over one or several batches, in full or mixed precision.

Mixed precision is a forward pass in half precision and a loss that is scaled against underflow.
The module has its name from MMSelfSup 0.x.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from mmcv.runner import HOOKS, OptimizerHook
from mmcv.runner.fp16_utils import wrap_fp16_model
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.modules.batchnorm import _BatchNorm

from mmselfsup.utils.device import fp16_dtype
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import module_device, unwrap
from mmselfsup.utils.sharding import is_sharded, local, norms, set_gradient_sync

__all__ = ["DistOptimizerHook", "GradAccumFp16OptimizerHook"]

#: A fixed scale, ``'dynamic'``, or arguments of ``torch.amp.GradScaler``.
LossScale = float | str | dict[str, Any]

#: Steps that the scaler may skip in a row: after 32 the default scale of 2^16 is 2^-16, so that
#: gradients which still overflow are wrong themselves.
MAX_SKIPS = 32


def ends_step(runner: Any, interval: int) -> bool:
    """Return whether the optimizer steps after this iteration, every ``interval`` and the last."""
    return bool((runner.iter + 1) % interval == 0 or runner.iter + 1 == runner.max_iters)


def interval_of_steps(runner: Any, hook: Any, asked: int | None) -> int:
    """Return the iterations per step of the optimizer, for a hook that follows the steps.

    Args:
        runner: The runner; its optimizer hook decides.
        hook: The hook that follows, named in an error.
        asked: Its own ``update_interval``, None for that of the optimizer.

    Raises:
        UserError: The two differ.
    """
    steps = [other for other in runner.hooks if isinstance(other, OptimizerHook)]
    # mmcv's own hook for several batches has another name for it.
    names = ("update_interval", "cumulative_iters")
    found = [getattr(steps[0], name) for name in names if hasattr(steps[0], name)] if steps else []
    interval = int(found[0]) if found else 1
    if not steps:
        return asked or 1
    if asked not in (None, interval):
        raise UserError(
            f"custom_hooks: {type(hook).__name__} has update_interval={asked}, but a step of the "
            f"optimizer takes {interval} (optimizer_config.update_interval): leave it out of the "
            "hook"
        )
    return interval


@HOOKS.register_module()
class DistOptimizerHook(OptimizerHook):  # type: ignore[misc]
    """Backward pass and optimizer step, in one process or several.

    Logs ``grad_norm``, the L2 norm of the gradient before clipping, without waiting for it.

    Args:
        update_interval: Iterations per optimizer step; the loss is divided by the number of
            batches in a step. With several processes gradients are exchanged once per step.
        grad_clip: Arguments of ``torch.nn.utils.clip_grad_norm_``, as ``dict(max_norm=5.)``. With
            ``per_parameter=True`` each parameter's gradient is clipped by its own norm (DINO), see
            ``clip_each``.
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
        grad_clip = None if grad_clip is None else dict(grad_clip)
        self.clips_each = bool((grad_clip or {}).pop("per_parameter", False))
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
        """Postpone the exchange of gradients to the last batch of a step.

        The model learns which batch is the first of a step: momentum encoders that move in the
        forward pass (MoCo) move once a step.
        """
        module: Any = unwrap(runner.model)
        if hasattr(module, "starts_step"):
            module.starts_step = self._is_start(runner)
        if not self._is_step(runner) and hasattr(runner.model, "no_sync"):
            self._no_sync.enter_context(runner.model.no_sync())
        set_gradient_sync(runner.model, self._is_step(runner))

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
            num_samples = runner.outputs.get("num_samples", 1)  # a foreign model may not tell
            runner.log_buffer.update({"grad_norm": norm}, num_samples)
        self._step(runner)
        runner.stepped_iters = runner.iter + 1
        runner.optimizer.zero_grad()

    def after_run(self, runner: Any) -> None:
        """Let a model that is trained on by hand take every batch for a step."""
        module: Any = unwrap(runner.model)
        if hasattr(module, "starts_step"):
            module.starts_step = True

    def _is_step(self, runner: Any) -> bool:
        return ends_step(runner, self.update_interval)

    def _is_start(self, runner: Any) -> bool:
        """Return whether the last iteration ended with a step."""
        return bool(runner.iter % self.update_interval == 0)

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
        if self.grad_clip is None:
            return gradient_norm(params)
        if not self.clips_each:
            if is_sharded(runner.model):
                return clip_all(params, **self.grad_clip)
            norm: Tensor | None = self.clip_grads(params)
            return norm
        norm = gradient_norm(params)
        clip_each(params, **self.grad_clip)
        return norm

    def _step(self, runner: Any) -> None:
        runner.optimizer.step()


@HOOKS.register_module()
class GradAccumFp16OptimizerHook(DistOptimizerHook):
    """``DistOptimizerHook`` with mixed precision: float16 on GPUs, bfloat16 on CPUs.

    A CPU without instructions for bfloat16 computes in float32 (``fp16_dtype``).

    With float16 a step whose gradients are not finite is skipped. The log counts these steps
    (``skipped_steps``); more than ``MAX_SKIPS`` in a row end the run.

    Args:
        update_interval: See ``DistOptimizerHook``.
        frozen_layers_cfg: See ``DistOptimizerHook``.
        loss_scale: A fixed scale, ``'dynamic'``, or arguments of ``torch.amp.GradScaler``.
        distributed: Unused, from MMSelfSup 0.x.
        **kwargs: Further arguments of ``DistOptimizerHook``.
    """

    def __init__(
        self,
        update_interval: int = 1,
        frozen_layers_cfg: dict[str, int] | None = None,
        loss_scale: LossScale = 512.0,
        distributed: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(update_interval, frozen_layers_cfg=frozen_layers_cfg, **kwargs)
        # A bad value fails before training starts; the scaler of the run depends on its device.
        self.loss_scaler, self._fixed_scale = make_scaler(loss_scale, "cpu")
        self.loss_scale = loss_scale
        self._steps, self._skipped = 0, torch.zeros(())
        self._saved: dict[str, Any] = {}

    def before_run(self, runner: Any) -> None:
        """Switch the model to mixed precision; load the scale of a resumed run."""
        super().before_run(runner)
        model = unwrap(runner.model)
        enable_half_precision(model)
        device = module_device(model)
        if fp16_dtype(device) is None:
            runner.logger.info("fp16: this CPU has no bfloat16, the precision is float32")
        self.loss_scaler, self._fixed_scale = make_scaler(self.loss_scale, device.type)
        self._steps = int(self._saved.get("steps", 0))
        # On the device: reading it would wait for the step.
        self._skipped = torch.full((), float(self._saved.get("skipped", 0)), device=device)  # []
        if not self.loss_scaler.is_enabled():
            return
        runner.log_buffer.max_skips = MAX_SKIPS
        if self._fixed_scale is None and self._saved.get("loss_scaler"):
            self.loss_scaler.load_state_dict(self._saved["loss_scaler"])

    def after_run(self, runner: Any) -> None:
        """Log how many steps were skipped, if any."""
        super().after_run(runner)
        if self._skipped:
            runner.logger.info(
                "the loss scaler skipped %d of %d steps, whose gradients were not finite",
                int(self._skipped),
                self._steps,
            )

    def _backward(self, loss: Tensor) -> None:
        self.loss_scaler.scale(loss).backward()

    def _finish_gradients(self, runner: Any) -> Tensor | None:
        # Clipping and the logged norm are about the gradients of the unscaled loss.
        self.loss_scaler.unscale_(runner.optimizer)
        return super()._finish_gradients(runner)

    def _step(self, runner: Any) -> None:
        if self.loss_scaler.is_enabled():
            found = self.loss_scaler._found_inf_per_device(runner.optimizer).values()
            skipped = torch.stack([flag.to(self._skipped.device) for flag in found]).amax()  # []
            runner.log_buffer.note_step(skipped)
            self._skipped += skipped
            self._steps += 1
        self.loss_scaler.step(runner.optimizer)
        self.loss_scaler.update(self._fixed_scale)  # a fixed scale stays, even after an overflow

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs: the dynamic scale, and the numbers of steps.

        This waits for the device, so it is called for a checkpoint only.
        """
        if not self.loss_scaler.is_enabled():
            return {}
        counts = {"steps": self._steps, "skipped": int(self._skipped)}
        if self._fixed_scale is not None:
            return counts
        return {"loss_scaler": self.loss_scaler.state_dict(), **counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what ``state_dict`` returned; it is used when the run begins."""
        self._saved = dict(state)


def make_scaler(loss_scale: LossScale, device: str) -> tuple[GradScaler, float | None]:
    """Return the scaler for a device, and the fixed scale where there is one.

    Where half precision is bfloat16 (on CPUs) nothing underflows, and the scaler does nothing.

    Raises:
        UserError: ``loss_scale`` is not a number, ``'dynamic'`` or a dict.
    """
    options: dict[str, Any]
    if loss_scale == "dynamic":
        options, fixed = {}, None
    elif isinstance(loss_scale, int | float):
        options, fixed = dict(init_scale=float(loss_scale)), float(loss_scale)
    elif isinstance(loss_scale, dict):
        options, fixed = dict(loss_scale), None
    else:
        raise UserError(
            f"fp16.loss_scale is {loss_scale!r}: give a number, 'dynamic' or a dict of arguments "
            "of torch.amp.GradScaler"
        )
    return GradScaler(device, enabled=device == "cuda", **options), fixed


def enable_half_precision(model: Any) -> None:
    """Switch the forward pass of a model to half precision.

    For our models a flag of the whole model is enough. A model of another library marks the modules
    that cast their inputs; each of them gets the flag, as in mmcv.
    """
    if hasattr(model, "fp16_enabled"):
        model.fp16_enabled = True
    else:
        wrap_fp16_model(model)


def gradient_norm(params: Iterable[Tensor]) -> Tensor | None:
    """Return the L2 norm of all gradients together, [], on their device; None without gradients."""
    grads = [param.grad for param in params if param.grad is not None]
    # The norm of the norms is the norm of all; multi-tensor kernels, as in ``clip_grad_norm_``.
    return torch.linalg.vector_norm(norms(grads)) if grads else None


def clip_all(params: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> Tensor | None:
    """Do what ``clip_grad_norm_`` does, for sharded gradients too: scale all of them by one factor.

    Args:
        params: The parameters; those without a gradient are left out.
        max_norm: The largest norm that all gradients together keep.
        norm_type: Order of the norm, ``inf`` too.

    Returns:
        The norm before that, []; None without gradients.
    """
    grads = [param.grad for param in params if param.grad is not None]
    if not grads:
        return None
    total = torch.linalg.vector_norm(norms(grads, norm_type), norm_type)  # []
    torch._foreach_mul_(local(grads), (max_norm / (total + 1e-6)).clamp(max=1.0))
    return total


def clip_each(params: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> None:
    """Scale each parameter's gradient down to a norm of ``max_norm``, in place.

    Nothing waits for the device. A gradient that is not finite stays so.

    Args:
        params: The parameters; those without a gradient are left out.
        max_norm: The largest norm that a gradient keeps.
        norm_type: Order of the norm, ``inf`` too.
    """
    grads = [param.grad for param in params if param.grad is not None]
    if not grads:
        return
    each = norms(grads, norm_type)  # [P]
    factors = (max_norm / (each + 1e-6)).clamp_(max=1.0)  # [P], as in ``clip_grad_norm_``
    torch._foreach_mul_(local(grads), list(factors.unbind()))


def drop_gradients(model: nn.Module, parts: Collection[str]) -> None:
    """Delete the gradient of parameters whose name contains one of ``parts``."""
    for name, param in model.named_parameters() if parts else ():
        if any(part in name for part in parts):
            param.grad = None
