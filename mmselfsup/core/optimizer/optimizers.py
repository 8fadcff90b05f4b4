"""LARS: layer-wise adaptive rate scaling, for training with large batches.

Source: You, Gitman, Ginsburg, "Large Batch Training of Convolutional Networks", arXiv 1708.03888,
section 5, eq. (6) and Algorithm 1.
Differences from the paper: a group with ``lars_exclude=True`` (biases and normalisation layers in
the SSL literature) takes a plain SGD step; so does a tensor whose weight or gradient is all zero;
``eps`` keeps the quotient finite; dampening and Nesterov momentum work as in ``torch.optim.SGD``.
With ``torch.amp.GradScaler`` a step whose gradients are not finite changes nothing, and the host
doesn't wait to know (without dampening; with it, the scaler itself waits and skips).
Shape letter: P tensors of a parameter group.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmcv.runner import OPTIMIZERS
from torch import Tensor
from torch.optim import Optimizer

from mmselfsup.utils.sharding import norms


def trust_ratios(
    params: list[Tensor], grads: list[Tensor], weight_decay: float, eta: float, eps: float
) -> Tensor:
    """Return ``eta * |w| / (|g| + weight_decay * |w| + eps)`` of each tensor, 1 where a norm is 0.

    This is eq. (6) of the paper, with ``eps``.

    Returns:
        [P] on the device of the parameters; the call does not wait for the device.
    """
    # One call for all tensors: a call for each would cost more than the arithmetic.
    weight_norm, grad_norm = norms(params), norms(grads)  # [P], [P]
    ratio = eta * weight_norm / (grad_norm + weight_decay * weight_norm + eps)
    return torch.where((weight_norm > 0) & (grad_norm > 0), ratio, torch.ones_like(ratio))


@OPTIMIZERS.register_module()
class LARS(Optimizer):
    """SGD whose step in each tensor is scaled by the ratio of weight norm to gradient norm.

    Args:
        params: Parameters or parameter groups. A group may carry ``lars_exclude=True``: its
            tensors are not scaled.
        lr: Global learning rate, > 0.
        momentum: Momentum factor, >= 0.
        weight_decay: Factor of the L2 penalty, >= 0; it is part of the scaled update.
        dampening: Dampening of the momentum.
        eta: Trust coefficient of eq. (6).
        nesterov: Use Nesterov momentum; needs ``momentum > 0`` and ``dampening == 0``.
        eps: Added to the denominator of eq. (6).

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0,
        weight_decay: float = 0,
        dampening: float = 0,
        eta: float = 0.001,
        nesterov: bool = False,
        eps: float = 1e-8,
    ) -> None:
        for name, value in dict(lr=lr, momentum=momentum, weight_decay=weight_decay).items():
            if not isinstance(value, int | float) or value < 0:
                raise ValueError(f"LARS takes a number >= 0 as {name}, got {value!r}")
        if eta <= 0:
            raise ValueError(f"LARS takes a number > 0 as eta, got {eta!r}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov=True needs momentum > 0 and dampening == 0")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            eta=eta,
            eps=eps,
            lars_exclude=False,
        )
        super().__init__(params, defaults)
        # GradScaler then calls ``step`` in any case, with ``found_inf`` and ``grad_scale`` set. A
        # skipped first step leaves a momentum of zero, which dampening would not take for a first.
        self._step_supports_amp_scaling = not any(g["dampening"] for g in self.param_groups)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            # Checkpoints of MMSelfSup 0.x name these only where a config did.
            group.setdefault("lars_exclude", False)
            group.setdefault("eps", 1e-8)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Take one step.

        Args:
            closure: Function that evaluates the model again and returns the loss.

        Returns:
            The result of the closure, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        finite = None if found_inf is None else found_inf == 0  # [], on the device
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            if params:
                self._step_group(group, params, finite)
        return loss

    def _gradients(self, params: list[Tensor], finite: Tensor | None) -> list[Tensor]:
        """Return the gradients: unscaled, and zero where the step is to change nothing."""
        grads: list[Tensor] = [param.grad for param in params if param.grad is not None]
        scale: Tensor | None = getattr(self, "grad_scale", None)
        if scale is not None:
            grads = list(torch._foreach_div(grads, scale))
        return grads if finite is None else [torch.where(finite, grad, 0) for grad in grads]

    def _step_group(
        self, group: dict[str, Any], params: list[Tensor], finite: Tensor | None
    ) -> None:
        """Take a step for all tensors of a group at once: scale, add momentum, subtract.

        Args:
            group: The options.
            params: Its tensors with a gradient.
            finite: Whether the step changes anything, []; None for yes.
        """
        grads = self._gradients(params, finite)
        decay = group["weight_decay"]
        updates = list(torch._foreach_add(grads, params, alpha=decay))  # g + weight_decay * w
        if group["lars_exclude"]:
            torch._foreach_mul_(updates, group["lr"])
        else:
            ratios = trust_ratios(params, grads, decay, group["eta"], group["eps"])
            torch._foreach_mul_(updates, list((ratios * group["lr"]).unbind()))
        if finite is not None:
            torch._foreach_mul_(updates, finite.to(updates[0].dtype))
        if group["momentum"] != 0:
            updates = self._add_momentum(group, params, updates, finite)
            if finite is not None:
                updates = list(torch._foreach_mul(updates, finite.to(updates[0].dtype)))
        torch._foreach_sub_(params, updates)

    def _add_momentum(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        updates: list[Tensor],
        finite: Tensor | None,
    ) -> list[Tensor]:
        """Return the updates with momentum (Algorithm 1): v <- momentum * v + update.

        The first update of a parameter becomes its buffer, as in ``torch.optim.SGD``.
        """
        factor: Any = group["momentum"]
        if finite is not None:
            factor = torch.where(finite, torch.full_like(finite, factor, dtype=params[0].dtype), 1)
        old = [i for i, param in enumerate(params) if "momentum_buffer" in self.state[param]]
        if old:
            buffers = [self.state[params[i]]["momentum_buffer"] for i in old]
            torch._foreach_mul_(buffers, factor)
            alpha = 1 - group["dampening"]
            torch._foreach_add_(buffers, [updates[i] for i in old], alpha=alpha)
        for i in set(range(len(params))).difference(old):
            self.state[params[i]]["momentum_buffer"] = updates[i].clone()
        buffers = [self.state[param]["momentum_buffer"] for param in params]
        if group["nesterov"]:
            return list(torch._foreach_add(updates, buffers, alpha=group["momentum"]))
        return buffers
