"""Models whose parameters, gradients and optimizer state are divided among the ranks (FSDP2).

PyTorch's ``fully_shard`` (Zhao et al. 2023, "PyTorch FSDP: Experiences on Scaling Fully Sharded
Data Parallel", VLDB) keeps on each rank a part of every parameter, its rows ``r * ceil(n / R)`` to
``(r + 1) * ceil(n / R)``, as a ``DTensor``. Within the forward and the backward pass of a module
they are ordinary, whole tensors; after it, parts again. Everything of this package that touches
parameters outside the forward pass goes through this file:

- ``local`` gives the own rows, for arithmetic that is the same for each element;
- ``norms`` gives norms of whole tensors;
- ``keep_writes`` makes a change of weights within the forward pass last;
- ``own_part`` takes the own rows of a whole tensor, as from a checkpoint;
- ``whole`` gathers the model and its optimizer on the first rank, to be saved.

Buffers (queues, banks, running statistics) are not divided. With ``dist.py`` this is the only file
that imports ``torch.distributed``.

Letters: R ranks, P tensors.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.optim import Optimizer

from . import dist

# Attribute of a module: name of a parameter -> the part that lasts.
_PARTS = "_sharded_parameters"
_state = {"active": False}


def shard_model(
    model: nn.Module, blocks: Iterable[nn.Module], param_dtype: torch.dtype | None = None
) -> None:
    """Divide the parameters of a model among the ranks, in place; a collective.

    Each block is gathered for its own forward and backward pass; what is in no block, for those of
    the whole model.

    Args:
        model: The model on its device, the same on all ranks. Its class becomes a subclass
            ``FSDP<name>``.
        blocks: Modules that are called by their ``forward``.
        param_dtype: The dtype in which the weights of blocks are gathered and used, None for their
            own. Gradients are always added up in float32, and the parts keep their dtype.
    """
    device = next(model.parameters()).device.type
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    policy = MixedPrecisionPolicy(
        param_dtype=param_dtype, reduce_dtype=None if param_dtype is None else torch.float32
    )
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    # Also the outermost: what is measured between two steps finds parts, as the optimizer does.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    for module in model.modules():
        parts = {name: p for name, p in module._parameters.items() if isinstance(p, DTensor)}
        module.__dict__[_PARTS] = parts
    _state["active"] = True


def is_sharded(model: nn.Module) -> bool:
    """Return whether the parameters of a model are divided among the ranks."""
    return isinstance(model, FSDPModule)


def is_part(tensor: Tensor) -> bool:
    """Return whether a tensor is sharded, so that this rank has some of its rows only."""
    return isinstance(tensor, DTensor)


def passes_are_joint() -> bool:
    """Return whether a forward pass needs all ranks, as one of a sharded model does."""
    return _state["active"] and dist.get_world_size() > 1


def plain_name(module: nn.Module) -> str:
    """Return the name of a module's class, without the prefix that ``fully_shard`` gives it."""
    name = type(module).__name__
    return name.removeprefix("FSDP") if is_sharded(module) else name


def set_gradient_sync(model: nn.Module, wanted: bool) -> None:
    """Let the next backward passes exchange gradients, or add them up on each rank."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(wanted)


def local(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the own rows of sharded tensors, which share their memory; others as they are."""
    return [t.to_local() if isinstance(t, DTensor) else t for t in tensors]


def norms(tensors: list[Tensor], norm_type: float = 2.0) -> Tensor:
    """Return the norm of each tensor, over the rows of all ranks: [P] on the device.

    A collective where a tensor is sharded; nothing waits for the device.

    Args:
        tensors: At least one; all of them sharded, or none.
        norm_type: Order of the norm above 0, ``inf`` too.
    """
    if not any(isinstance(t, DTensor) for t in tensors):
        return torch.stack(torch._foreach_norm(tensors, norm_type))
    own = local(tensors)
    # A rank may have no rows, which have no maximum.
    own = [t if t.numel() else t.new_zeros(1) for t in own]
    parts = torch.stack(torch._foreach_norm(own, norm_type))  # [P]
    if norm_type == float("inf"):
        return dist.all_reduce(parts, "max")
    return dist.all_reduce(parts**norm_type) ** (1 / norm_type)


@torch.no_grad()
def keep_writes(module: nn.Module) -> None:
    """Make the present weights of a module last, where they were changed in the forward pass.

    There parameters may be whole copies, which are gathered anew the next time.
    """
    for part in module.modules():
        for name, lasting in part.__dict__.get(_PARTS, {}).items():
            present = part._parameters[name]
            if present is not None and present is not lasting:
                lasting.to_local().copy_(_rows(present, lasting))


def own_part(value: Tensor, like: Tensor) -> Tensor:
    """Return the own rows of a whole tensor, sharded as ``like``; where that is whole, the value.

    Args:
        value: The same on all ranks, of the shape of ``like``; other shapes (counters) stay whole.
        like: A parameter.
    """
    if not isinstance(like, DTensor) or isinstance(value, DTensor) or value.shape != like.shape:
        return value
    rows = _rows(value, like).to(like.device, copy=True).contiguous()
    return DTensor.from_local(
        rows, like.device_mesh, like.placements, run_check=False, shape=like.shape,
        stride=like.stride(),
    )  # fmt: skip


@torch.no_grad()
def assign(param: Tensor, value: Tensor) -> None:
    """Set a parameter outside the forward pass, sharded or not, to a value that all ranks have.

    Args:
        param: The parameter.
        value: Of the whole shape, on any device.
    """
    param.copy_(own_part(value, param))


def _rows(value: Tensor, like: DTensor) -> Tensor:
    """Return the rows of a whole tensor that the own part of ``like`` has."""
    assert list(like.placements) == [Shard(0)]
    size = -(-value.shape[0] // dist.get_world_size())  # ``torch.chunk``'s
    return value[dist.get_rank() * size :][: like.to_local().shape[0]]


@contextmanager
def whole(model: nn.Module, optimizer: Any = None) -> Iterator[None]:
    """Let the first rank hold whole tensors in the block, in main memory; a collective.

    There the parameters of the model and the state of the optimizer can be read as if nothing was
    sharded. The other ranks see parts. One parameter at a time is gathered on the devices. Without
    a sharded model nothing happens.

    Args:
        model: The model, between two steps.
        optimizer: One optimizer, several by name, or None.
    """
    if not is_sharded(model):
        yield
        return
    several = optimizer if isinstance(optimizer, dict) else {"": optimizer}
    undo: list[tuple[Any, Any, Any]] = []
    found: dict[int, Any] = {}  # a parameter with several names stays one
    try:
        for module in model.modules():
            for name, param in list(module._parameters.items()):
                if isinstance(param, DTensor):
                    if id(param) not in found:
                        found[id(param)] = _gathered(param)
                    undo.append((module._parameters, name, param))
        for one in several.values():
            if isinstance(one, Optimizer):
                for state in one.state.values():
                    shards = [(k, v) for k, v in state.items() if isinstance(v, DTensor)]
                    for name, value in shards:
                        found[id(value)] = _gathered(value)
                        undo.append((state, name, value))
        if dist.is_main():
            for place, name, value in undo:
                place[name] = found[id(value)]
        yield
    finally:
        for place, name, value in undo:
            place[name] = value


@torch.no_grad()
def _gathered(tensor: Any) -> Tensor | None:
    """Return the whole of a sharded tensor in main memory, on the first rank only."""
    full: Tensor = tensor.full_tensor()
    if not dist.is_main():
        return None
    full = full.cpu()
    is_param = isinstance(tensor, nn.Parameter)
    return nn.Parameter(full, requires_grad=tensor.requires_grad) if is_param else full
