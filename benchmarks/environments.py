"""Environments of their own for the competitors, from the package index."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from pairs import ROOT

#: What a competitor needs beside torch and torchvision, of which it gets our versions.
PACKAGES = {
    "mmselfsup": [
        "mmselfsup==0.11.0", "mmcls==0.25.0", "mmcv==1.7.2", "future", "tensorboard", "scipy",
        "scikit-learn", "opencv-python",
    ],
    "lightly": ["lightly==1.6.0"],
}  # fmt: skip


def python_of(name: str, folder: Path, given: str | None = None) -> str:
    """The python of a competitor's environment; installs it where it is not there yet.

    The path is absolute, for workers run in another folder. A link stays a link: followed, it would
    lead out of the environment.

    Args:
        name: a key of `PACKAGES`.
        folder: where the environments lie.
        given: an environment's python that is there already.
    """
    if given:
        return os.path.abspath(given)
    home = Path(os.path.abspath(folder / name))
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"installing {name} into {home}", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q"]
        ours = [f"{lib}=={version(lib).split('+')[0]}" for lib in ("torch", "torchvision")]
        # as scripts/install.sh does; replaces a constraint of the machine that forbids our torch
        env = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "requirements" / "build.txt")}
        subprocess.run([*pip, "setuptools<81", "wheel", *ours], check=True, env=env)
        # mmcv's source build wants the setuptools from above
        subprocess.run([*pip, "--no-build-isolation", *PACKAGES[name]], check=True, env=env)
        (home / "ready").touch()
    return str(python)


def add_arguments(parser: argparse.ArgumentParser, *names: str) -> None:
    """Options for the folder of the environments, and for pythons that are there already."""
    parser.add_argument("--environments", type=Path, default=Path("work_dirs/benchmarks/envs"))
    for name in names:
        parser.add_argument(f"--{name}-python", help=f"python of an environment that has {name}")
