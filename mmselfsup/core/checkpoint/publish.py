"""Cut a checkpoint down to what others need."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.atomic import atomic_write
from mmselfsup.utils.errors import UserError

from .load import load_state
from .weights import weights_of

# Where the trained backbone stands in checkpoints of this project and of others, best first.
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


def _find(names: list[str], filename: str) -> str:
    for prefix in (wrapper + known for known in _PREFIXES for wrapper in ("", "module.")):
        if any(name.startswith(prefix) for name in names):
            return prefix
    starts = sorted({".".join(name.split(".")[:2]) for name in names})
    raise UserError(
        f"{filename} has no backbone under a known name; name one by --prefix, its names begin "
        f"with {', '.join(starts[:20])}"
    )


def extract_backbone(checkpoint: str, output: str, prefix: str | None = None) -> tuple[str, int]:
    """Write the backbone of a checkpoint as ``dict(state_dict=...)`` without prefix.

    Args:
        checkpoint: file to read.
        output: file to write.
        prefix: what the backbone's names begin with; found where not given.

    Returns:
        The prefix, and the number of weights.

    Raises:
        UserError: no such weights, or a file that can't be read or written.
    """
    weights = weights_of(load_state(checkpoint), checkpoint)
    prefix = _find(list(weights), checkpoint) if prefix is None else prefix
    kept: dict[str, Tensor] = {
        name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)
    }
    if not kept:
        raise UserError(f"{checkpoint}: no weight begins with {prefix!r}; see its names first")
    with atomic_write(output) as file:
        torch.save({"state_dict": kept}, file)
    return prefix, len(kept)


def publish_model(in_file: str, out_file: str) -> Path:
    """Write a checkpoint without what only training needs, named by its content.

    Args:
        in_file: checkpoint to read.
        out_file: name to write; ``-`` and eight digits of the SHA-256 go before ``.pth``.

    Returns:
        The file that was written.

    Raises:
        UserError: the file can't be read or written.
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
