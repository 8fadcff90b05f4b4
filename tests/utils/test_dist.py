"""Collectives: the identity alone, and against plain sums with two gloo processes."""

import os
import socket
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
import torch.multiprocessing as mp

from mmselfsup.utils import dist
from mmselfsup.utils.errors import UserError


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_alone_every_collective_is_the_identity():
    x = torch.arange(6.0).reshape(3, 2)
    assert dist.get_world_size() == 1
    assert dist.get_rank() == 0
    assert dist.get_backend() is None
    for function in (dist.all_reduce, dist.all_gather_cat, dist.gather_with_grad, dist.broadcast):
        assert torch.equal(function(x), x)
    assert torch.equal(dist.all_reduce(x, "mean"), x)
    assert dist.broadcast_object({"a": 1}) == {"a": 1}
    assert dist.all_gather_object("x") == ["x"]
    dist.barrier()


def test_unknown_reduction_names_the_known_ones():
    with pytest.raises(ValueError, match=r"max.*got 'product'"):
        dist.all_reduce(torch.ones(1), "product")


@pytest.mark.parametrize(
    ("launcher", "word"),
    [("pytorch", "RANK"), ("slurm", "SLURM_PROCID"), ("mpi", "OMPI"), ("x", "x")],
)
def test_missing_environment_is_one_clear_line(launcher, word, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=word):
        dist.init_dist(launcher)


def _two_ranks(rank, port, out):
    os.environ.update(
        RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    backend = dist.init_dist("pytorch", backend=None if torch.cuda.is_available() else "nccl")
    x = torch.full((2, 3), float(rank + 1), requires_grad=True)
    gathered = dist.gather_with_grad(x)  # [4, 3]
    # Each rank weighs the rows differently: the gradient must be the sum over both.
    (gathered * torch.arange(1.0, 5.0)[:, None] * (rank + 1)).sum().backward()
    y = torch.tensor([2.0 + rank], requires_grad=True)
    (dist.all_reduce_with_grad(y) ** 2).sum().backward()
    torch.save(
        {
            "backend": backend,
            "gathered": gathered.detach(),
            "grad": x.grad,
            "sum": dist.all_reduce(torch.tensor([rank + 1.0])),
            "mean": dist.all_reduce(torch.tensor([rank + 1.0]), "mean"),
            "max": dist.all_reduce(torch.tensor([rank + 1.0]), "max"),
            "broadcast": dist.broadcast(torch.tensor([rank + 5.0]), src=1),
            "objects": dist.all_gather_object(rank),
            "object": dist.broadcast_object(f"rank {rank}", src=1),
            "reduce_grad": y.grad,
        },
        os.path.join(out, f"{rank}.pt"),
    )
    dist.barrier()
    dist.destroy()


@pytest.mark.skipif(torch.cuda.is_available(), reason="two processes would share one GPU")
def test_two_gloo_processes(tmp_path):
    mp.spawn(_two_ranks, (free_port(), str(tmp_path)), nprocs=2)
    for rank in range(2):
        got = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert got["backend"] == "gloo"  # nccl was asked for, and there is no GPU
        assert got["gathered"][:, 0].tolist() == [1, 1, 2, 2]
        weights = torch.tensor([1.0, 2.0, 3.0, 4.0])[2 * rank : 2 * rank + 2, None]
        assert torch.equal(got["grad"], (weights * 3).expand(2, 3))
        assert got["sum"].item() == 3
        assert got["mean"].item() == 1.5
        assert got["max"].item() == 2
        assert got["broadcast"].item() == 6
        assert got["objects"] == [0, 1]
        assert got["object"] == "rank 1"
        # d/dy of both ranks' (2+3)^2: 2*5 from each.
        assert got["reduce_grad"].item() == 20


@pytest.fixture
def joined(monkeypatch):
    """What reaches torch where a process joins a group."""
    got = {}

    def init_process_group(backend=None, timeout=None, world_size=-1):
        got.update(backend=backend, timeout=timeout)

    monkeypatch.setattr(dist.torch_dist, "init_process_group", init_process_group)
    for name, value in dict(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1").items():
        monkeypatch.setenv(name, value)
    return got


@pytest.mark.parametrize("timeout", [60, 0.5, timedelta(minutes=1), None])
def test_timeout_in_seconds(timeout, joined):
    dist.init_dist("pytorch", backend="gloo", timeout=timeout)
    seconds = {60: timedelta(seconds=60), 0.5: timedelta(milliseconds=500)}
    assert joined == {"backend": "gloo", "timeout": seconds.get(timeout, timeout)}


@pytest.mark.parametrize("timeout", [0, -1, "60", True, [60], float("inf"), float("nan"), 1e300])
def test_a_bad_timeout_is_one_line(timeout, joined):
    with pytest.raises(UserError, match=r"dist_params.timeout is .*: give seconds"):
        dist.init_dist("pytorch", backend="gloo", timeout=timeout)
    assert not joined


def test_an_unknown_argument_is_one_line(joined):
    with pytest.raises(UserError, match="dist_params: unknown backnd; known: backend, port"):
        dist.init_dist("pytorch", **{"backnd": "gloo"})
    assert not joined


SLURM = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_NODELIST": "here", "MASTER_ADDR": "here"}


@pytest.fixture
def bare(monkeypatch):
    """An environment without a launcher."""
    for name in list(os.environ):
        if name.startswith(("SLURM_", "MASTER_", "OMPI_", "PMIX_")):
            monkeypatch.delenv(name)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT", "MASTER_ADDR"):
        monkeypatch.setenv(name, "")  # so that they are as before after the test
        monkeypatch.delenv(name)
    return monkeypatch


def slurm_port(bare, **names):
    bare.delenv("MASTER_PORT", raising=False)
    for name, value in {**SLURM, **names}.items():
        bare.setenv(name, value)
    dist.read_slurm(None)
    return int(os.environ["MASTER_PORT"])


def test_slurm_jobs_and_steps_have_ports_of_their_own(bare):
    first = slurm_port(bare, SLURM_JOB_ID="100", SLURM_STEP_ID="0")
    assert first == slurm_port(bare, SLURM_JOB_ID="100", SLURM_STEP_ID="0", SLURM_PROCID="0")
    ports = {slurm_port(bare, SLURM_JOB_ID=str(job), SLURM_STEP_ID="0") for job in range(50)}
    assert len(ports) > 45
    assert all(10000 <= port < 30000 for port in ports)
    assert first != slurm_port(bare, SLURM_JOB_ID="100", SLURM_STEP_ID="1")
    bare.setenv("MASTER_PORT", "1234")
    dist.read_slurm(None)
    assert os.environ["MASTER_PORT"] == "1234"
    dist.read_slurm(4321)
    assert os.environ["MASTER_PORT"] == "4321"


def mpi(bare, local_size, **names):
    facts = {"RANK": "2", "SIZE": "4", "LOCAL_RANK": "0", "LOCAL_SIZE": local_size}
    for name, value in facts.items():
        bare.setenv(f"OMPI_COMM_WORLD_{name}", value)
    for name, value in names.items():
        bare.setenv(name, value)
    dist.read_mpi()
    return os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]


def test_mpi_finds_the_first_machine(bare):
    assert mpi(bare, "4") == ("127.0.0.1", "29500")
    bare.delenv("MASTER_ADDR")
    bare.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UserError, match=r"set MASTER_ADDR .*or install mpi4py"):
        mpi(bare, "2")
    world = SimpleNamespace(bcast=lambda name, root: f"node{root}")
    bare.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_WORLD=world)))
    assert mpi(bare, "2")[0] == "node0"
    assert mpi(bare, "2", MASTER_ADDR="10.0.0.1")[0] == "10.0.0.1"
    bare.delenv("MASTER_PORT")
    assert mpi(bare, "2", PMIX_NAMESPACE="prterun-1")[1] != "29500"
