"""The ranks set by other launchers, translated into torchrun's environment variables."""

import os
import subprocess

from .errors import UserError


def read_slurm(port: int | None) -> None:
    """Set the variables from those of Slurm.

    Args:
        port: Port of the first node; None takes ``MASTER_PORT``, else 29500.

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
    os.environ.setdefault("MASTER_PORT", "29500")
    if "MASTER_ADDR" not in os.environ:
        hosts = subprocess.check_output(["scontrol", "show", "hostnames", nodes], text=True)
        os.environ["MASTER_ADDR"] = hosts.split()[0]
    os.environ.update(RANK=rank, WORLD_SIZE=size)
    os.environ.setdefault("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))


def read_mpi() -> None:
    """Set the variables from those of Open MPI.

    Raises:
        UserError: The process wasn't started by ``mpirun``.
    """
    pairs = (("RANK", "RANK"), ("WORLD_SIZE", "SIZE"), ("LOCAL_RANK", "LOCAL_RANK"))
    try:
        for name, suffix in pairs:
            os.environ[name] = os.environ[f"OMPI_COMM_WORLD_{suffix}"]
    except KeyError as error:
        raise UserError(f"--launcher mpi needs {error} in the environment: use mpirun") from error
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")  # one node
    os.environ.setdefault("MASTER_PORT", "29500")
