"""Checkpoints reduced to the part that others need."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .load import load_state
from .weights import weights_of

# Prefixes of the trained backbone in checkpoints of this project and of others, best first.
_PREFIXES = (
    "backbone.",
    "encoder_q.0.",
    "online_net.0.",
    "encoder.0.",
    "base_encoder.0.",
    "encoder_q.",
    "student.backbone.",
    "student.",
    "encoder.",
)


def extract_backbone(checkpoint: str, output: str, prefix: str | None = None) -> tuple[str, int]:
    """Write the backbone of a checkpoint as ``dict(state_dict=...)`` without prefix.

    Args:
        checkpoint: File to read.
        output: File to write.
        prefix: Prefix of the backbone's names; None to search for it.

    Returns:
        The prefix, and the number of weights.

    Raises:
        UserError: There are no such weights, or a file can't be read or written.
    """
    weights = weights_of(load_state(checkpoint), checkpoint)
    prefix = _find(list(weights), checkpoint) if prefix is None else prefix
    selected: dict[str, Tensor] = {
        name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)
    }
    if not selected:
        raise UserError(f"{checkpoint}: no weight begins with {prefix!r}; see its names first")
    with atomic_write(output) as file:
        torch.save({"state_dict": selected}, file)
    return prefix, len(selected)


def _find(names: list[str], filename: str) -> str:
    """Return the best known prefix that one of the names begins with."""
    for prefix in (wrapper + known for known in _PREFIXES for wrapper in ("", "module.")):
        if any(name.startswith(prefix) for name in names):
            return prefix
    starts = sorted({".".join(name.split(".")[:2]) for name in names})
    raise UserError(
        f"{filename} has no backbone under a known name; give one with --prefix, its names begin "
        f"with {', '.join(starts[:20])}"
    )


def publish_model(in_file: str, out_file: str) -> Path:
    """Write a checkpoint without the state that only training needs, named by its content.

    Args:
        in_file: Checkpoint to read.
        out_file: Name to write; ``-`` and eight digits of the SHA-256 go before ``.pth``.

    Returns:
        The file that was written.

    Raises:
        UserError: The file can't be read or written.
    """
    state: dict[str, Any] = load_state(in_file)
    for key in ("optimizer", "rng_state"):
        state.pop(key, None)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    path = Path(f"{out_file.removesuffix('.pth')}-{digest}.pth")
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
    return path
