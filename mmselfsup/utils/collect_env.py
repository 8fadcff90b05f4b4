"""A description of the machine and the libraries, for the head of a log.

The function imports the heavy libraries itself: this package exports it eagerly, because the
function and the module have the same name.
"""

import subprocess
from pathlib import Path
from typing import Any


def collect_env() -> dict[str, Any]:
    """Return the versions of Python, torch, mmcv, ... and of this package, GPUs and compiler."""
    from mmcv.utils import collect_env as collect_mmcv_env

    from mmselfsup import __version__

    env: dict[str, Any] = dict(collect_mmcv_env())
    revision = _git_revision()
    env["MMSelfSup"] = f"{__version__}+{revision}" if revision else __version__
    return env


def _git_revision() -> str:
    """Return the short hash of this package's checked-out commit; empty outside a clone."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


if __name__ == "__main__":
    for name, value in collect_env().items():
        print(f"{name}: {value}")
