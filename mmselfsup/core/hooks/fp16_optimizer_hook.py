"""Mixed precision: a forward pass in half precision, and a loss scaled against underflow."""

from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner.fp16_utils import wrap_fp16_model
from torch import Tensor
from torch.amp import GradScaler

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import module_device, unwrap

from .dist_optimizer_hook import DistOptimizerHook

LossScale = float | str | dict[str, Any]


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


@HOOKS.register_module()
class GradAccumFp16OptimizerHook(DistOptimizerHook):
    """``DistOptimizerHook`` with mixed precision: float16 on GPUs, bfloat16 on CPUs.

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
        make_scaler(loss_scale, "cpu")  # a bad value fails before training starts
        self.loss_scale = loss_scale

    def before_run(self, runner: Any) -> None:
        """Switch the model to mixed precision; load the scale of a resumed run."""
        super().before_run(runner)
        model = unwrap(runner.model)
        enable_half_precision(model)
        device = module_device(model).type
        self.loss_scaler, self._fixed_scale = make_scaler(self.loss_scale, device)
        runner.meta = {} if runner.meta is None else runner.meta
        saved = runner.meta.get("fp16", {}).get("loss_scaler")
        if saved and self.loss_scaler.is_enabled():
            self.loss_scaler.load_state_dict(saved)

    def _backward(self, loss: Tensor) -> None:
        self.loss_scaler.scale(loss).backward()

    def _finish_gradients(self, runner: Any) -> Tensor | None:
        # Clipping and the logged norm are about the gradients of the unscaled loss.
        self.loss_scaler.unscale_(runner.optimizer)
        return super()._finish_gradients(runner)

    def _step(self, runner: Any) -> None:
        self.loss_scaler.step(runner.optimizer)
        self.loss_scaler.update(self._fixed_scale)  # a fixed scale stays, even after an overflow
        if self._fixed_scale is None:
            runner.meta.setdefault("fp16", {})["loss_scaler"] = self.loss_scaler.state_dict()


def enable_half_precision(model: Any) -> None:
    """Switch the forward pass of a model to half precision.

    For our models a flag of the whole model is enough. A model of another library marks the modules
    that cast their inputs; each of them gets the flag, as in mmcv.
    """
    if hasattr(model, "fp16_enabled"):
        model.fp16_enabled = True
    else:
        wrap_fp16_model(model)
