"""Where a checkpoint keeps the weights of its network, at whatever depth and under whatever key."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import Tensor

from mmselfsup.utils.errors import UserError

T = TypeVar("T")
# Keys under which files store their weights.
_HOLDERS = ("state_dict", "model", "model_state_dict", "net")
# Beginnings of keys beside them, whose tensors are no weights of a network.
_BESIDE = ("optim", "scheduler", "lr_scheduler", "scaler", "loss_scale", "callbacks", "rng_state")
# What wrappers of torch put into names: torch.compile, FSDP, activation checkpointing.
_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_SHOWN = 8  # keys in a message at most


def weights_of(state: Mapping[str, Any], filename: str) -> dict[str, Tensor]:
    """Return the weights in a checkpoint, whatever the key under which they are stored.

    Weights of several networks side by side (``student``, ``teacher``) get that key as prefix.
    What wrappers of torch put into the names is taken out.

    Args:
        state: The content of the file.
        filename: Name of the file, for the error.

    Raises:
        UserError: There are no weights.
    """
    holder = next((k for k in _HOLDERS if state.get(k) and isinstance(state[k], Mapping)), None)
    inside = state if holder is None else state[holder]
    weights: dict[str, Tensor] = {}
    for name, value in _of_network(inside):
        if isinstance(value, Tensor):
            weights[name] = value
        elif holder is None and isinstance(value, Mapping):
            tensors = ((k, v) for k, v in value.items() if isinstance(v, Tensor))
            weights.update({f"{name}.{k}": v for k, v in tensors})
    if not weights:  # such as VISSL's, four levels down
        weights = dict(_nested_weights(inside, ""))
    if not weights:
        raise UserError(f"{filename} holds no weights; {_keys(state)}")
    return {_unwrapped(name): tensor for name, tensor in weights.items()}


def weights_below(weights: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return the weights whose names begin with a prefix, without it."""
    return {n[len(prefix) :]: tensor for n, tensor in weights.items() if n.startswith(prefix)}


def _of_network(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the items of a dict, without those that serve a training."""
    for key, item in value.items():
        if isinstance(item, Tensor) or not str(key).lower().startswith(_BESIDE):
            yield str(key), item


def _nested_weights(value: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors in nested dicts and lists with their dotted names."""
    for name, item in _of_network(value):
        if isinstance(item, Tensor):
            yield f"{prefix}{name}", item
        elif isinstance(item, Mapping):
            yield from _nested_weights(item, f"{prefix}{name}.")
        elif isinstance(item, list | tuple):
            yield from _nested_weights(dict(enumerate(item)), f"{prefix}{name}.")


def _keys(state: Mapping[Any, Any]) -> str:
    """Return what a dict without weights has, and what to do."""
    advice = "save model.state_dict() into a file, or name the file that has the weights"
    if not state:
        return f"it is an empty dict; {advice}"
    names = [str(key)[:40] for key in state]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"its keys are {', '.join(names[:_SHOWN])}{more}; {advice}"


def _unwrapped(name: str) -> str:
    """Return the name of a weight without the parts that wrappers have put into it."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name
