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
from torch.optim import Optimizer

from . import dist
from .errors import UserError

# Attribute of a module: name of a parameter -> the part that lasts.
_PARTS = "_sharded_parameters"
# PyTorch's classes of sharded tensors and modules. They are loaded by the first model that is
# sharded: it takes a second, and PyTorch 2.5 has them elsewhere.
_kinds: dict[str, tuple[type, ...]] = {"tensor": (), "module": ()}


def load_kinds() -> Any:
    """Load PyTorch's part for it, and return that module.

    Raises:
        UserError: This version of PyTorch has none.
    """
    try:
        from torch.distributed import fsdp
        from torch.distributed.tensor import DTensor

        _kinds.update(tensor=(DTensor,), module=(fsdp.FSDPModule,))
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"sharding needs PyTorch 2.6 or newer, this is {torch.__version__}"
        ) from error
    return fsdp


def shard_model(
    model: nn.Module, blocks: Iterable[nn.Module], param_dtype: torch.dtype | None = None
) -> None:
    """Divide the parameters of a model among the ranks, in place; a collective.

    Each block is gathered for its own forward and backward pass; what is in no block, for those of
    the whole model.

    Args:
        model: The model on its device, the same on all ranks. Its class becomes a subclass.
        blocks: Modules that are called by their ``forward``.
        param_dtype: The dtype in which the weights of blocks are gathered and used, None for their
            own. Gradients are always added up in float32, and the parts keep their dtype.

    Raises:
        UserError: See ``load_kinds``.
    """
    fsdp = load_kinds()
    from torch.distributed.device_mesh import init_device_mesh

    device, name = next(model.parameters()).device.type, type(model).__name__
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    policy = fsdp.MixedPrecisionPolicy(
        param_dtype=param_dtype, reduce_dtype=None if param_dtype is None else torch.float32
    )
    for block in blocks:
        fsdp.fully_shard(block, mesh=mesh, mp_policy=policy)
    # Also the outermost: what is measured between two steps finds parts, as the optimizer does.
    fsdp.fully_shard(model, mesh=mesh, reshard_after_forward=True)
    type(model).__name__ = name  # a subclass; messages name the class of the config
    for module in model.modules():
        module.__dict__[_PARTS] = {n: p for n, p in module._parameters.items() if is_part(p)}


def is_sharded(model: nn.Module) -> bool:
    """Return whether the parameters of a model are divided among the ranks."""
    return isinstance(model, _kinds["module"])


def is_part(tensor: Any) -> bool:
    """Return whether a tensor is sharded, so that this rank has some of its rows only."""
    return isinstance(tensor, _kinds["tensor"])


def passes_are_joint() -> bool:
    """Return whether a forward pass needs all ranks, as one of a sharded model does."""
    return bool(_kinds["module"]) and dist.get_world_size() > 1


def set_gradient_sync(model: Any, wanted: bool) -> None:
    """Let the next backward passes exchange gradients, or add them up on each rank."""
    if is_sharded(model):
        model.set_requires_gradient_sync(wanted)


def local(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the own rows of sharded tensors, which share their memory; others as they are."""
    return [_own(t) if is_part(t) else t for t in tensors]


def _own(part: Any) -> Tensor:
    """Return the rows of a sharded tensor that this rank has."""
    rows: Tensor = part.to_local()
    return rows


def norms(tensors: list[Tensor], norm_type: float = 2.0) -> Tensor:
    """Return the norm of each tensor, over the rows of all ranks: [P] on the device.

    A collective where a tensor is sharded; nothing waits for the device.

    Args:
        tensors: At least one; all of them sharded, or none.
        norm_type: Order of the norm above 0, ``inf`` too.
    """
    if not any(is_part(t) for t in tensors):
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
                _own(lasting).copy_(_rows(present, lasting))


def own_part(value: Tensor, like: Any) -> Tensor:
    """Return the own rows of a whole tensor, sharded as ``like``; where that is whole, the value.

    Args:
        value: The same on all ranks, of the shape of ``like``; other shapes (counters) stay whole.
        like: A parameter.
    """
    if not is_part(like) or is_part(value) or value.shape != like.shape:
        return value
    kind: Any = _kinds["tensor"][0]
    rows = _rows(value, like).to(like.device, copy=True).contiguous()
    part: Tensor = kind.from_local(
        rows, like.device_mesh, like.placements, run_check=False, shape=like.shape,
        stride=like.stride(),
    )  # fmt: skip
    return part


@torch.no_grad()
def assign(param: Tensor, value: Tensor) -> None:
    """Set a parameter outside the forward pass, sharded or not, to a value that all ranks have.

    Args:
        param: The parameter.
        value: Of the whole shape, on any device.
    """
    param.copy_(own_part(value, param))


def _rows(value: Tensor, like: Any) -> Tensor:
    """Return the rows of a whole tensor that the own part of ``like`` has."""
    assert all(placement.is_shard(0) for placement in like.placements)
    size = -(-value.shape[0] // dist.get_world_size())  # ``torch.chunk``'s
    return value[dist.get_rank() * size :][: len(_own(like))]


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
                if is_part(param):
                    if id(param) not in found:
                        found[id(param)] = _gathered(param)
                    undo.append((module._parameters, name, param))
        for one in several.values():
            if isinstance(one, Optimizer):
                for state in one.state.values():
                    shards = [(k, v) for k, v in state.items() if is_part(v)]
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
