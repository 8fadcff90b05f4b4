"""Collectives of torch.distributed; each is the identity for a single process.

With ``sharding.py`` this is the only file of the package that imports ``torch.distributed``. Every
function must be called by all ranks in the same order, so never call one inside a branch that
depends on data.

The ranks set by other launchers, translated into torchrun's environment variables.

Work of the first rank for all ranks.

Letters: R ranks, N rows of one rank, D all dimensions after the first.
"""

import inspect
import os
import socket
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as torch_dist
from numpy.typing import NDArray
from torch import Tensor

from . import dist
from .device import num_gpus
from .errors import SharedError, UserError, one_line
from .network import choose_interface

_OPS = {
    "sum": torch_dist.ReduceOp.SUM,
    "mean": torch_dist.ReduceOp.SUM,  # gloo has no mean: divided afterwards
    "max": torch_dist.ReduceOp.MAX,
    "min": torch_dist.ReduceOp.MIN,
}
_alone = False  # see ``alone``
_MESSAGE_BYTES = 1 << 26  # of ``broadcast_bytes``
T = TypeVar("T")


def is_distributed() -> bool:
    """Return whether a process group exists (also when it has one member only)."""
    return not _alone and torch_dist.is_available() and torch_dist.is_initialized()


@contextmanager
def alone() -> Iterator[None]:
    """Let this process work as a single one inside the block: collectives are the identity."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def get_world_size() -> int:
    """Return the number of processes, 1 without a process group."""
    return torch_dist.get_world_size() if is_distributed() else 1


def get_rank() -> int:
    """Return the number of this process, 0 without a process group."""
    return torch_dist.get_rank() if is_distributed() else 0


def get_local_rank() -> int:
    """Return the number of this process on its node, as set by the launcher."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Return whether this process writes files and informs the user."""
    return get_rank() == 0


def get_backend() -> str | None:
    """Return ``'gloo'``, ``'nccl'``, ... or None without a process group."""
    return str(torch_dist.get_backend()) if is_distributed() else None


def barrier() -> None:
    """Wait until all processes have called this function."""
    if get_world_size() > 1:
        torch_dist.barrier()


def all_reduce(tensor: Tensor, op: str = "sum") -> Tensor:
    """Reduce over the ranks, without gradient; a single process gets the tensor itself.

    Args:
        tensor: Any shape, on the device of the backend.
        op: ``'sum'``, ``'mean'``, ``'max'`` or ``'min'``.
    """
    if op not in _OPS:
        raise ValueError(f"op must be one of {sorted(_OPS)}, got {op!r}")
    if get_world_size() == 1:
        return tensor
    # The collective works in place: a copy leaves the argument unchanged.
    reduced = tensor.detach().clone().contiguous()
    torch_dist.all_reduce(reduced, op=_OPS[op])
    return reduced / get_world_size() if op == "mean" else reduced


def all_gather_cat(tensor: Tensor) -> Tensor:
    """Concatenate equally shaped tensors of all ranks: [N, D] -> [R*N, D], without gradient."""
    if get_world_size() == 1:
        return tensor
    source = tensor.detach().contiguous()
    parts = [torch.empty_like(source) for _ in range(get_world_size())]
    torch_dist.all_gather(parts, source)
    return torch.cat(parts)


class _GatherWithGrad(torch.autograd.Function):
    """Gather forward, sum the gradients of all ranks backward."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # [N, D] -> [R*N, D]
        ctx.rows = tensor.shape[0]
        return all_gather_cat(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        # The loss of every rank depends on these rows: their gradient is the sum over the ranks.
        start = get_rank() * ctx.rows
        return all_reduce(grad)[start : start + ctx.rows]


def gather_with_grad(tensor: Tensor) -> Tensor:
    """Concatenate over the ranks with a gradient: [N, D] -> [R*N, D].

    The gradient of a rank's rows is the sum of the gradients that all ranks have for them.
    """
    return tensor if get_world_size() == 1 else _GatherWithGrad.apply(tensor)


class _AllReduceWithGrad(torch.autograd.Function):
    """The sum over ranks is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return all_reduce(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        return all_reduce(grad)


def all_reduce_with_grad(tensor: Tensor) -> Tensor:
    """Sum over the ranks, differentiable; any shape."""
    return tensor if get_world_size() == 1 else _AllReduceWithGrad.apply(tensor)


class _MeanWithOwnGrad(torch.autograd.Function):
    """The mean over the ranks, whose gradient is that of the own value."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return all_reduce(tensor) / get_world_size()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        return grad


def mean_with_own_grad(tensor: Tensor) -> Tensor:
    """Return the mean over the ranks with the gradient of this rank's value alone; any shape.

    For a loss that is a mean over the samples of all ranks, of which each rank computes its part:
    the gradients of the ranks are averaged later.
    """
    return tensor if get_world_size() == 1 else _MeanWithOwnGrad.apply(tensor)


def broadcast(tensor: Tensor, src: int = 0) -> Tensor:
    """Return the tensor of rank ``src`` on every rank, as a new tensor."""
    if get_world_size() == 1:
        return tensor
    received = tensor.detach().clone().contiguous()
    torch_dist.broadcast(received, src)
    return received


def broadcast_object(obj: Any, src: int = 0) -> Any:
    """Return the picklable object of rank ``src`` on every rank."""
    if get_world_size() == 1:
        return obj
    box = [obj]
    torch_dist.broadcast_object_list(box, src)
    return box[0]


def all_gather_object(obj: Any) -> list[Any]:
    """Return the picklable objects of all ranks, in rank order."""
    if get_world_size() == 1:
        return [obj]
    box: list[Any] = [None] * get_world_size()
    torch_dist.all_gather_object(box, obj)
    return box


def send_bytes(data: NDArray[np.uint8] | None, size: int, src: int, dst: int = 0) -> None:
    """Overwrite an array of rank ``dst`` with that of rank ``src``, in messages of a limited size.

    The other ranks take no part. On a GPU, it holds one message at a time.

    Args:
        data: [size], contiguous, on the host; None on the other ranks.
        size: Number of bytes.
        src, dst: The two ranks, which differ.
    """
    if get_rank() not in (src, dst) or get_world_size() == 1:
        return
    assert data is not None
    own = torch.from_numpy(data)  # shares its memory
    on_gpu = "nccl" in str(get_backend())
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    for begin in range(0, size, _MESSAGE_BYTES):
        part = own[begin : begin + _MESSAGE_BYTES]
        if get_rank() == src:
            torch_dist.send(part.to(device), dst)
            continue
        message = torch.empty_like(part, device=device) if on_gpu else part
        torch_dist.recv(message, src)
        if on_gpu:
            part.copy_(message)


def broadcast_bytes(data: NDArray[np.uint8] | None, size: int, src: int) -> None:
    """Overwrite an array with that of rank ``src``, in messages of a limited size.

    Neither host nor device holds more than one message beside the array.

    Args:
        data: [size], contiguous, on the host; None where the bytes are not needed.
        size: Number of bytes.
        src: The rank whose array is sent.
    """
    if get_world_size() == 1:
        return
    on_gpu = "nccl" in str(get_backend())
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    own = None if data is None else torch.from_numpy(data)  # shares its memory
    for begin in range(0, size, _MESSAGE_BYTES):
        part = None if own is None else own[begin : begin + _MESSAGE_BYTES]
        if part is not None and not on_gpu:
            torch_dist.broadcast(part, src)
            continue
        length = min(_MESSAGE_BYTES, size - begin)
        message = (
            torch.empty(length, dtype=torch.uint8, device=device)  # [length]
            if part is None or get_rank() != src
            else part.to(device)
        )
        torch_dist.broadcast(message, src)
        if part is not None and get_rank() != src:
            part.copy_(message)


def init_dist(
    launcher: str,
    backend: str | None = None,
    port: int | None = None,
    timeout: float | timedelta | None = None,
    **kwargs: Any,
) -> str:
    """Join the process group that ``launcher`` has described in the environment.

    Args:
        launcher: ``'pytorch'`` (torchrun, torch.distributed.launch), ``'slurm'`` or ``'mpi'``.
        backend: ``'nccl'``, ``'gloo'``, ...; None uses nccl with a GPU, gloo without.
        port: Port of the first node under Slurm; see ``read_slurm``.
        timeout: How long a collective may wait, in seconds; None takes torch's own limit.
        **kwargs: Further arguments of ``torch.distributed.init_process_group``.

    Returns:
        The backend in use: without a GPU ``'nccl'`` becomes ``'gloo'``.

    Raises:
        UserError: The environment lacks what the launcher should have set, ``timeout`` is no
            number above 0, or there is no such argument.
    """
    known = inspect.signature(torch_dist.init_process_group).parameters
    unknown = [name for name in kwargs if name not in known]
    if unknown:
        names = ", ".join(sorted({"port", *known}))
        raise UserError(f"dist_params: unknown {', '.join(unknown)}; known: {names}")
    if timeout is not None:
        kwargs["timeout"] = _time_limit(timeout)
    if launcher == "slurm":
        read_slurm(port)
    elif launcher == "mpi":
        read_mpi()
    elif launcher != "pytorch":
        raise UserError(f"unknown launcher {launcher!r}: use pytorch, slurm or mpi")
    missing = [n for n in ("RANK", "WORLD_SIZE", "MASTER_ADDR") if n not in os.environ]
    if missing:
        raise UserError(
            f"--launcher {launcher} needs {', '.join(missing)} in the environment: start with "
            "torchrun, or leave --launcher out"
        )
    has_gpu = num_gpus() > 0
    if backend is None or (backend == "nccl" and not has_gpu):
        backend = "nccl" if has_gpu else "gloo"
    if has_gpu:
        # Before the group exists: NCCL uses the current device of the process.
        torch.cuda.set_device(get_local_rank() % num_gpus())
    if "gloo" in backend:
        choose_interface(os.environ["MASTER_ADDR"])
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt != "0" and not {"store", "init_method"} & kwargs.keys():
        # torchrun's store still has the addresses of the processes before: they must not be found.
        store, rank, size = next(torch_dist.rendezvous("env://"))
        kwargs.update(rank=rank, world_size=size)
        kwargs["store"] = torch_dist.PrefixStore(f"attempt{attempt}", store)
    torch_dist.init_process_group(backend=backend, **kwargs)
    return backend


def _time_limit(seconds: Any) -> timedelta:
    """Return ``dist_params.timeout`` as torch takes it.

    Raises:
        UserError: It is no number of seconds that torch can wait.
    """
    if isinstance(seconds, timedelta):
        return seconds
    # torch counts milliseconds in 63 bits; a century is beyond any run.
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < 100 * 365 * 86400:
        raise UserError(f"dist_params.timeout is {seconds!r}: give seconds, as 3600")
    return timedelta(seconds=seconds)


def destroy() -> None:
    """Leave the process group, where there is one."""
    if is_distributed():
        torch_dist.destroy_process_group()


def get_store() -> Any:
    """Return the key-value store of the process group, which is on the CPU.

    Its methods (``set``, ``get``, ``check``, ``add``, ``delete_key``) are no collectives.
    """
    store = torch_dist.distributed_c10d._get_default_store()
    return torch_dist.PrefixStore("mmselfsup", store)


def read_slurm(port: int | None) -> None:
    """Set the variables from those of Slurm.

    Args:
        port: Port of the first node; None takes ``MASTER_PORT``, else one of the job step's own.

    Raises:
        UserError: The process wasn't started by ``srun``.
    """
    try:
        rank, size = os.environ["SLURM_PROCID"], os.environ["SLURM_NTASKS"]
        nodes = os.environ["SLURM_NODELIST"]
    except KeyError as error:
        raise UserError(f"--launcher slurm needs {error} in the environment: use srun") from error
    if port is not None:
        os.environ["MASTER_PORT"] = str(port)
    # Jobs, and steps of a job, may share a node.
    names = [os.environ.get(f"SLURM_{name}", "") for name in ("JOB_ID", "STEP_ID")]
    os.environ.setdefault("MASTER_PORT", str(_port_of(".".join(names)) if names[0] else 29500))
    if "MASTER_ADDR" not in os.environ:
        hosts = subprocess.check_output(["scontrol", "show", "hostnames", nodes], text=True)
        os.environ["MASTER_ADDR"] = hosts.split()[0]
    os.environ.update(RANK=rank, WORLD_SIZE=size)
    os.environ.setdefault("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))


def _port_of(job: str) -> int:
    """Return a port for a job, the same on all nodes, below those that systems give to clients."""
    return 10000 + zlib.crc32(job.encode()) % 20000


def read_mpi() -> None:
    """Set the variables from those of Open MPI.

    On several nodes the address of the first rank is ``MASTER_ADDR``, or it is sent by mpi4py.

    Raises:
        UserError: The process wasn't started by ``mpirun``, or the first rank's address is unknown.
    """
    pairs = (("RANK", "RANK"), ("WORLD_SIZE", "SIZE"), ("LOCAL_RANK", "LOCAL_RANK"))
    try:
        for name, suffix in pairs:
            os.environ[name] = os.environ[f"OMPI_COMM_WORLD_{suffix}"]
    except KeyError as error:
        raise UserError(f"--launcher mpi needs {error} in the environment: use mpirun") from error
    size = os.environ["WORLD_SIZE"]
    if "MASTER_ADDR" not in os.environ:
        one_node = os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", size) == size
        os.environ["MASTER_ADDR"] = "127.0.0.1" if one_node else _first_mpi_host()
    names = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_ess_jobid")
    job = next((os.environ[name] for name in names if os.environ.get(name)), None)
    os.environ.setdefault("MASTER_PORT", str(_port_of(job) if job else 29500))


def _first_mpi_host() -> str:
    """Return the name of the first rank's machine; a collective of MPI.

    Raises:
        UserError: mpi4py can't be loaded.
    """
    try:
        from mpi4py import MPI  # only here: importing it joins MPI
    except ImportError as error:
        raise UserError(
            "--launcher mpi on several nodes: set MASTER_ADDR to the machine of rank 0 (mpirun -x "
            f"MASTER_ADDR=...), or install mpi4py ({one_line(error)})"
        ) from error
    return str(MPI.COMM_WORLD.bcast(socket.gethostname(), root=0))


def on_main(work: Callable[[], T]) -> T:
    """Return the result of ``work()`` on the first rank to every rank; an error ends all ranks.

    Otherwise the other ranks would wait for the first one until the process group times out.

    Args:
        work: Function that returns a picklable object and calls no collectives.

    Raises:
        SharedError: ``work`` raised on the first rank, which raises the original error; the others
            raise this one.
    """
    value: T | None = None
    error: Exception | None = None
    if dist.is_main():
        try:
            value = work()
        except Exception as caught:
            # Not raised before the broadcast, for which the other ranks wait.
            error = caught
    message = one_line(error) if error else None
    value, message = dist.broadcast_object((value, message))
    if error is not None:
        raise error
    if message is not None:
        raise SharedError(message)
    return value  # type: ignore[return-value]
