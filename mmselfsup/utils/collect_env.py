"""What the machine and the libraries are, for the head of a log.

Heavy libraries are imported by the function: the package of this file exports it eagerly, because
the function and the module bear the same name.
"""

import subprocess
from pathlib import Path
from typing import Any


def collect_env() -> dict[str, Any]:
    """Versions of Python, torch, mmcv, ... and of this package, the GPUs, the compiler."""
    from mmcv.utils import collect_env as collect_mmcv_env

    from mmselfsup import __version__

    env: dict[str, Any] = dict(collect_mmcv_env())
    revision = _git_revision()
    env["MMSelfSup"] = f"{__version__}+{revision}" if revision else __version__
    return env


def _git_revision() -> str:
    """Short hash of the checked-out commit of this package; empty outside a clone."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    for name, value in collect_env().items():
        print(f"{name}: {value}")
