"""Separate virtual environments for the other libraries, from the package index."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from pairs import ROOT

#: Requirements of each library besides torch and torchvision, which get our versions.
PACKAGES = {
    "mmselfsup": [
        "mmselfsup==0.11.0", "mmcls==0.25.0", "mmcv==1.7.2", "future", "tensorboard", "scipy",
        "scikit-learn", "opencv-python",
    ],
    "lightly": ["lightly==1.6.0"],
    "lightly-train": ["lightly-train==0.18.0"],
}  # fmt: skip


def python_of(name: str, folder: Path, given: str | None = None) -> str:
    """Return the python of a library's environment; install it if it is missing.

    The path is absolute, as workers run in another folder. A link is not resolved: its target is
    outside the environment.

    Args:
        name: A key of ``PACKAGES``.
        folder: Folder of the environments.
        given: Python of an existing environment, which is used instead.
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
        # As in scripts/install.sh; replaces a constraint of the machine that forbids our torch.
        env = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "requirements" / "build.txt")}
        subprocess.run([*pip, "setuptools<81", "wheel", *ours], check=True, env=env)
        # The source build of mmcv needs the setuptools from above.
        subprocess.run([*pip, "--no-build-isolation", *PACKAGES[name]], check=True, env=env)
        (home / "ready").touch()
    return str(python)


def add_arguments(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add options for the folder of the environments, and for existing environments."""
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path("work_dirs/benchmarks/envs"),
        help="Install the environments into this folder (default: %(default)s).",
    )
    for name in names:
        parser.add_argument(f"--{name}-python", help=f"Use this python, which has {name}.")
