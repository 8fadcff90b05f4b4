"""The local file of a checkpoint that a config names by a path or an address."""

import os
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from mmcv.runner.checkpoint import get_external_models, get_mmcls_models

from mmselfsup.utils.dist import barrier, get_local_rank
from mmselfsup.utils.errors import UserError


def _torchvision_url(name: str) -> str:
    """Return the address of torchvision's default weights of a model."""
    from torchvision.models import get_model_weights

    try:
        return get_model_weights(name).DEFAULT.url
    except ValueError as error:
        raise UserError(f"torchvision://{name}: torchvision has no model of that name") from error


def _zoo_url(filename: str, scheme: str) -> str:
    """Return the address of a short name of mmcv's or mmcls's model zoo."""
    zoo = get_mmcls_models() if scheme == "mmcls" else get_external_models()
    name = filename.partition("://")[2]
    if name not in zoo:
        raise UserError(f"{filename}: unknown name; known are {', '.join(sorted(zoo))}")
    return zoo[name]


def _download(url: str) -> Path:
    """Download once into torch's cache: in the first process of a node, while the others wait."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    target = folder / os.path.basename(urlparse(url).path)
    failure = None
    if get_local_rank() == 0 and not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(target))  # to a temporary name, then renamed
        except (URLError, OSError, RuntimeError) as error:
            failure = error
    # All processes reach the barrier, also after a failure, so that none waits for ever.
    barrier()
    if failure is not None or not target.exists():
        raise UserError(f"can't download {url} ({failure or 'see the first process'})")
    return target


def local_file(filename: str) -> Path:
    """Return the local file of a checkpoint; an address is downloaded into torch's cache.

    Args:
        filename: A path, ``http(s)://...``, ``torchvision://resnet50``, ``open-mmlab://...`` or
            ``mmcls://...``.

    Raises:
        UserError: The file or the name does not exist, or the download fails.
    """
    scheme, separator, rest = str(filename).partition("://")
    if separator and scheme in ("http", "https"):
        return _download(filename)
    if separator and scheme in ("torchvision", "modelzoo"):
        return _download(_torchvision_url(rest))
    if separator and scheme in ("open-mmlab", "openmmlab", "mmcls"):
        return _download(_zoo_url(filename, scheme))
    path = Path(filename).expanduser()
    if path.is_dir():
        raise UserError(f"{filename} is a folder; name a checkpoint file, such as its latest.pth")
    if not path.is_file():
        raise UserError(f"no checkpoint at {filename}; check the path")
    return path
