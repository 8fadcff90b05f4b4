"""Features cached in a file, with digests of what they come from."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write, check_writable

from .labelled import LabelledFeatures

Origin = dict[str, str]
_USED = ("backbone.", "sobel_layer.")
_ARRAYS = ("train", "train_labels", "test", "test_labels")


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of the weights and buffers behind the features: backbone and Sobel layer.

    Necks, heads and queues don't affect the features, and with a checkpoint of a backbone alone
    their weights depend on the seed.
    """
    weights = sorted(model.state_dict().items())
    used = [(name, tensor) for name, tensor in weights if name.startswith(_USED)]
    digest = hashlib.sha256()
    for name, tensor in used or weights:  # all weights of a model without such names
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def dataset_digest(cfg: Mapping[str, Any], dataset: Any) -> str:
    """Return the SHA-256 of a data set: its config, the ordered names of its images, their labels.

    The content of the image files is not read.
    """
    digest = hashlib.sha256(json.dumps(cfg, sort_keys=True, default=str).encode())
    source = getattr(dataset, "data_source", None)
    for info in getattr(source, "data_infos", ()):
        digest.update(str(info.get("img_info", {}).get("filename", "")).encode() + b"\n")
    digest.update(np.asarray(dataset.gt_labels).tobytes())
    return digest.hexdigest()


def write_features(path: str, data: LabelledFeatures, origin: Origin) -> None:
    """Write features and their origin as ``.npz``, completely or not at all."""
    arrays = {name: getattr(data, name) for name in _ARRAYS}
    names = np.array([] if data.classes is None else list(data.classes), dtype=np.str_)
    with atomic_write(path) as file:
        np.savez(file, origin=json.dumps(origin), classes=names, **arrays)


def read_features(path: str, origin: Origin) -> LabelledFeatures:
    """Read what ``write_features`` wrote.

    Args:
        path: The file.
        origin: What the features must come from: a digest for each part.

    Raises:
        UserError: It is no such file, or its features have another origin.
    """
    try:
        with np.load(path, allow_pickle=False) as file:  # a pickle could run any code
            stored: Origin = json.loads(str(file["origin"]))
            arrays = {name: file[name] for name in _ARRAYS}
            classes = [str(name) for name in file["classes"]] or None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"--features {path}: not a file that this tool wrote, or an incomplete one; delete it"
        ) from error
    other = [part for part, digest in origin.items() if stored.get(part) != digest]
    if other:
        raise UserError(
            f"--features {path}: its features come from other {', other '.join(other)}; delete it "
            "or name another file"
        )
    return LabelledFeatures(classes=classes, **arrays)


def check_features_path(path: str) -> None:
    """Check the file name for features before the work is done.

    Raises:
        UserError: It doesn't end with ``.npz``, or is a folder, or can't be written.
    """
    if not path.endswith(".npz") or Path(path).is_dir():
        raise UserError(f"--features {path}: name a .npz file")
    if not Path(path).exists():  # an existing file is only read
        check_writable(path)
