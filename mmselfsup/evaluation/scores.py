"""Files of scores that ``tools/test.py --out`` wrote. Letters: N images, C classes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UserError

_PREFIX = "scores"


@dataclass(frozen=True)
class ScoreFile:
    """The scores of a model for N images; None for a part that the file does not hold.

    Attributes:
        path: Path of the file, for messages.
        scores: [N, C].
        labels: [N], -1 where there is none.
        classes: C names.
        images: N file names.
        lesions: N lesion ids, ``''`` where there is none.
    """

    path: str
    scores: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    classes: list[str] | None
    images: list[str] | None
    lesions: list[str] | None


def read_score_file(path: str, head: str | None = None) -> ScoreFile:
    """Read a ``.npz`` or ``.json`` file.

    Args:
        path: The file.
        head: Name of the head, such as ``head4``, where there are several.

    Raises:
        UserError: The file can't be read, holds no scores, or several and ``head`` is none of them,
            or its parts are about different numbers of images.
    """
    arrays = _arrays(path)
    names = [name for name in arrays if name == _PREFIX or name.startswith(f"{_PREFIX}_")]
    wanted = names[:1] if head is None and len(names) == 1 else [f"{_PREFIX}_{head}"]
    if wanted[0] not in names:
        heads = ", ".join(name.removeprefix(f"{_PREFIX}_") for name in names) or "no scores"
        raise UserError(f"{path} holds {heads}: name one with --head, or write it with test.py")
    scores = np.asarray(arrays[wanted[0]], dtype=np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise UserError(f"{path}: the scores must be a table of finite numbers [N, C]")
    texts = {
        name: None if arrays.get(name) is None else [str(x) for x in arrays[name]]
        for name in ("classes", "images", "lesions")
    }
    labels = arrays.get("labels")
    for name in ("labels", "images", "lesions"):
        if arrays.get(name) is not None and len(arrays[name]) != len(scores):
            raise UserError(f"{path}: {len(arrays[name])} {name} for {len(scores)} scores")
    return ScoreFile(path, scores, None if labels is None else np.asarray(labels), **texts)


def _arrays(path: str) -> Mapping[str, Any]:
    """Return the arrays or lists in a file, by name."""
    try:
        if path.endswith(".json"):
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
            raise ValueError("it holds no dict")
        with np.load(path) as data:
            return dict(data)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(f"{path} is no .npz or .json of test.py: {error}") from error
