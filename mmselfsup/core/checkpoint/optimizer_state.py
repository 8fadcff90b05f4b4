"""Resuming of an optimizer whose parameter groups differ from those of the checkpoint.

MMSelfSup 0.x made one group per parameter where a config had ``paramwise_options``; here
parameters with equal options share a group. The state belongs to the parameters, so it can be
transferred.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.sharding import own_part

from .load import in_memory


def load_optimizer_state(
    optimizer: Optimizer, saved: Mapping[str, Any], model: nn.Module, weight_names: list[str]
) -> None:
    """Load the state of an optimizer, also from a checkpoint of MMSelfSup 0.x.

    Args:
        optimizer: The optimizer to fill.
        saved: The ``optimizer`` of the checkpoint.
        model: The model whose parameters it holds.
        weight_names: The names in the checkpoint's ``state_dict`` in their order, which is the
            order of the parameters in a checkpoint with one group per parameter.

    Raises:
        UserError: The groups differ, because the config has changed.
    """
    sizes = _group_sizes(saved["param_groups"])
    if sizes == _group_sizes(optimizer.param_groups):
        _fill(optimizer, saved)
        return
    params = dict(getattr(model, "module", model).named_parameters())
    order = [params[name] for name in weight_names if name in params]
    # Only the layout of 0.x can be regrouped: one group for each parameter of the model.
    if set(sizes) != {1} or len(order) != len(sizes) or len(params) != len(sizes):
        raise UserError(
            f"the optimizer in the checkpoint has groups of {sizes} parameters, the config makes "
            f"{_group_sizes(optimizer.param_groups)}; resume with the config of the checkpoint, "
            "or use load_from to take the weights only"
        )
    _fill(optimizer, _regroup(saved, optimizer, _positions(optimizer, order)))


def _fill(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Load a state dict of the same groups.

    Raises:
        UserError: It is of another kind of optimizer, which has other options.
    """
    own, other = (
        set(_options(groups[0])) for groups in (optimizer.param_groups, saved["param_groups"])
    )
    if own != other:
        raise UserError(
            f"the optimizer in the checkpoint has the options {', '.join(sorted(other))}, that of "
            f"the config {', '.join(sorted(own))}: resume with the optimizer of the checkpoint, or "
            "use load_from to take the weights only"
        )
    optimizer.load_state_dict(_own_parts(_with_own_kernels(saved, optimizer), optimizer))
    for values in optimizer.state.values():  # torch keeps tensors of the file where it can
        values.update(in_memory(values))


def _own_parts(saved: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return the state dict with the own rows of each tensor whose parameter is sharded."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    state = {
        number: {
            name: own_part(value, params[number]) if isinstance(value, Tensor) else value
            for name, value in values.items()
        }
        for number, values in saved["state"].items()
    }
    return {**saved, "state": state}


def _options(group: Mapping[str, Any]) -> list[str]:
    """Return the names of a group's options that tell kinds of optimizers apart."""
    return [name for name in ("momentum", "betas", "alpha", "rho", "lambd") if name in group]


def _group_sizes(groups: list[dict[str, Any]]) -> list[int]:
    """Return the number of parameters of each group."""
    return [len(group["params"]) for group in groups]


def _positions(optimizer: Optimizer, order: list[Tensor]) -> list[int]:
    """Return the index in ``order`` of each parameter, in the order of the optimizer."""
    place = {id(param): i for i, param in enumerate(order)}
    return [place[id(p)] for group in optimizer.param_groups for p in group["params"]]


def _regroup(saved: Mapping[str, Any], optimizer: Optimizer, places: list[int]) -> dict[str, Any]:
    """Return the state dict of one group per parameter, in the groups of ``optimizer``.

    A group takes the options (current lr, initial_lr, ...) of its first parameter.
    """
    groups, start = [], 0
    for group in optimizer.param_groups:
        # torch numbers the parameters consecutively over all groups.
        ids = range(start, start + len(group["params"]))
        options = dict(saved["param_groups"][places[start]])
        groups.append({**options, "params": list(ids)})
        start = ids.stop
    state = {new: saved["state"][old] for new, old in enumerate(places) if old in saved["state"]}
    return {"state": state, "param_groups": groups}


def _with_own_kernels(saved: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """Return the state dict with the kernels of ``optimizer``, which depend on the machine.

    torch would take ``fused`` and ``foreach`` from the file, which may come from another device or
    from a version that did not use them.
    """
    groups = [
        {**old, **{key: own[key] for key in ("fused", "foreach") if key in own}}
        for old, own in zip(saved["param_groups"], optimizer.param_groups, strict=True)
    ]
    return {**saved, "param_groups": groups}
