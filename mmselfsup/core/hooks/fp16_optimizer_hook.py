"""Mixed precision: the forward pass in half precision, the loss scaled against underflow."""

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
    """The scaler for a device, and the fixed scale where there is one.

    Where half precision means bfloat16 (on CPUs) nothing underflows, and the scaler does nothing.

    Raises:
        UserError: ``loss_scale`` is neither a number, nor ``'dynamic'``, nor a dict.
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
    """:class:`DistOptimizerHook` with mixed precision; on CPUs too, there in bfloat16.

    Args:
        update_interval: see :class:`DistOptimizerHook`.
        frozen_layers_cfg: see :class:`DistOptimizerHook`.
        loss_scale: a fixed scale, ``'dynamic'``, or arguments of :class:`torch.amp.GradScaler`.
        distributed: of MMSelfSup 0.x, not needed.
        **kwargs: further arguments of :class:`DistOptimizerHook`.
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
        make_scaler(loss_scale, "cpu")  # a bad value is known before training starts
        self.loss_scale = loss_scale

    def before_run(self, runner: Any) -> None:
        """Switch the model to mixed precision; take up the scale of a resumed run."""
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
        self.loss_scaler.unscale_(runner.optimizer)
        return super()._finish_gradients(runner)

    def _step(self, runner: Any) -> None:
        self.loss_scaler.step(runner.optimizer)
        self.loss_scaler.update(self._fixed_scale)
        if self._fixed_scale is None:
            runner.meta.setdefault("fp16", {})["loss_scaler"] = self.loss_scaler.state_dict()


def enable_half_precision(model: Any) -> None:
    """Tell a model that its forward pass runs in half precision.

    Our models need to hear it once, at the top. A model of another library marks the modules
    that cast their inputs; those are all told, as mmcv does.
    """
    if hasattr(model, "fp16_enabled"):
        model.fp16_enabled = True
    else:
        wrap_fp16_model(model)
