"""Reading of checkpoint files, local or downloaded, without running code from them.

torch's ``weights_only`` reader refuses every class that is not on its list; the list has the plain
data classes that checkpoints of OpenMMLab, timm and others hold. Beside ``state_dict`` a checkpoint
of PyTorch Lightning may hold objects of its library, such as the whole model of lightly-train: of
such a file only the weights are read.
"""

import argparse
import glob
import hashlib
import os
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import numpy as np
import torch
from mmcv.runner.checkpoint import get_external_models, get_mmcls_models
from torch import Tensor
from torch.serialization import safe_globals

from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write, expanded, file_lock, sha256, temporary_prefix
from mmselfsup.utils.progress import progress

from .file_kinds import other_kind
from .weight_files import (
    hugging_face_file,
    is_safetensors,
    read_safetensors,
    timm_file,
    weights_in_folder,
)

# Errors that reading arbitrary bytes as a checkpoint may raise.
_READ_ERRORS = (
    RuntimeError,
    pickle.UnpicklingError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
)
_ALLOW_HTTP = "MMSELFSUP_ALLOW_HTTP"  # environment variable
_LIGHTNING = "pytorch-lightning_version"
_SECONDS = 60  # without a byte from the server
_DTYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64", "S1", "U1")
# A checkpoint names a class by its module at the time of writing.
_FOREIGN = (
    ("mmengine.logging.history_buffer", "HistoryBuffer"),
    ("mmcv.runner.log_buffer", "LogBuffer"),
)


def load_state(
    filename: str, map_location: Any = "cpu", mmap: bool = False, verify: bool = True
) -> dict[str, Any]:
    """Read a checkpoint: tensors and plain data, nothing that runs code.

    Args:
        filename: A path, or an address that ``local_file`` understands.
        map_location: As in ``torch.load``.
        mmap: Whether tensors stay in the file until they are used, and take no memory of this
            process; ``in_memory`` copies what is kept. Files in torch's older format are read.
        verify: Whether to compare the checksums in the file, which reads all of it, once.

    Returns:
        The dict in the file: a complete checkpoint (``state_dict``, ``meta``, ``optimizer``, ...)
        or the bare weights.

    Raises:
        UserError: The file is missing, damaged or no checkpoint, or holds foreign objects.
    """
    path = local_file(filename)
    if is_safetensors(path):
        return dict(read_safetensors(path))
    stat = path.stat()
    damaged = _damaged_member(path.resolve(), stat.st_mtime_ns, stat.st_size) if verify else None
    if damaged is not None:
        raise UserError(
            f"{filename} is damaged: the checksum of its part {damaged} does not match; take an "
            "earlier checkpoint or copy the file again"
        )
    try:
        state = _unpickled(path, map_location, mmap and zipfile.is_zipfile(path))
    except _READ_ERRORS as error:
        kind = other_kind(path)
        message = (
            _explain(error, filename)
            if kind is None
            else f"{filename} is no checkpoint: it is {kind}"
        )
        raise UserError(message) from error
    if not isinstance(state, dict):
        raise UserError(
            f"{filename} holds a {type(state).__name__}, not the dict of a checkpoint or of "
            "weights; save model.state_dict() into a file"
        )
    return state


def _unpickled(path: Path, map_location: Any, mmap: bool) -> Any:
    """Return what a file holds; of a Lightning checkpoint with foreign objects only its weights.

    The objects are replaced by inert ones while the file is read, and left out. Those that are more
    than a name and plain values (a dict of a class of its own, ``functools.partial``) close the
    file, as any foreign object does where it is no checkpoint of Lightning.

    Raises:
        Exception: One of ``_READ_ERRORS``, that of the first reading.
    """

    # By its name, torch would take a file for one of safetensors, whatever is in it.
    renamed = path.suffix == ".safetensors"

    def read(*classes: type, device: Any = map_location, mmap: bool = mmap) -> Any:
        with safe_globals([*_plain_data_classes(), *classes]), ExitStack() as stack:
            source = stack.enter_context(path.open("rb")) if renamed else path
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", ".*TorchScript archive")  # the error says it
            return torch.load(
                source, map_location=device, weights_only=True, mmap=mmap and not renamed
            )

    try:
        return read()
    except pickle.UnpicklingError as error:
        inert = [_inert(name) for name in _foreign_names(path)]
        if not inert:
            raise
        try:  # first without its values in memory: the file may be of another program
            look = read(*inert, device="cpu", mmap=zipfile.is_zipfile(path))
            lightnings = _is_lightnings(look)
            state = read(*inert) if lightnings else {}
        except _READ_ERRORS:
            raise error from None
        if not lightnings:
            raise
        return {key: state[key] for key in ("state_dict", _LIGHTNING)}


def _foreign_names(path: Path) -> list[str]:
    """Return the full names of all that torch's reader refuses in a file; none if it can't tell."""
    find = getattr(torch.serialization, "get_unsafe_globals_in_checkpoint", None)  # newer torch
    try:
        with safe_globals(_plain_data_classes()):
            return list(find(path)) if find else []
    except _READ_ERRORS:
        return []


def _inert(name: str) -> type:
    """Return a replacement for a class of another library, under its full name."""
    module, _, short = name.rpartition(".")
    return type(short, (_Inert,), {"__module__": module})


def _is_lightnings(state: Any) -> bool:
    """Return whether this is a checkpoint of PyTorch Lightning whose weights are all tensors."""
    weights = state.get("state_dict") if isinstance(state, Mapping) else None
    return (
        isinstance(weights, Mapping)
        and isinstance(state.get(_LIGHTNING), str)
        and all(isinstance(tensor, Tensor) for tensor in weights.values())
    )


def meta_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts about the run that wrote a checkpoint; empty where it has none.

    Bare weights have none, and files of other programs may have anything under this name.
    """
    meta = state.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def class_names(state: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the classes in a checkpoint, None where it has no list of names."""
    names = meta_of(state).get("CLASSES")
    is_list = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return list(names) if is_list and names else None


def in_memory(value: Any) -> Any:
    """Return nested dicts, lists and tuples with copies of their tensors, no longer in a file."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: in_memory(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_memory(item) for item in value]
    return tuple(in_memory(item) for item in value) if isinstance(value, tuple) else value


@lru_cache(maxsize=16)
def _damaged_member(path: Path, mtime: int, size: int) -> str | None:
    """Return the first part of a zip file whose checksum is wrong, which torch doesn't check.

    Time and size are only keys of the cache: a resume reads its file several times.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip()
    except (*_READ_ERRORS, zipfile.BadZipFile, NotImplementedError):
        return None  # the older format, or damaged in a way that torch finds


def _plain_data_classes() -> list[Any]:
    """Return the classes of plain data in checkpoints of OpenMMLab, timm and others."""
    examples: dict[str, Any] = {"scalar": np.float64(0), "_reconstruct": np.zeros(1)}
    builders = {name: example.__reduce__()[0] for name, example in examples.items()}
    # numpy 2 moved its core: a file names the module of the numpy that wrote it.
    numpy_functions = [
        _renamed(function, f"{module}.multiarray", name)
        for module in ("numpy.core", "numpy._core")
        for name, function in builders.items()
    ]
    foreign = [type(name, (_Inert,), {"__module__": module}) for module, name in _FOREIGN]
    dtypes = list({type(np.dtype(name)) for name in _DTYPES})
    return [*numpy_functions, *foreign, *dtypes, np.dtype, np.ndarray, argparse.Namespace]


def _renamed(function: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    """Return ``function`` under the name that a checkpoint of another numpy uses for it."""

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


class _Inert:
    """A replacement for a class of another library in a checkpoint: holds data, does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


def _explain(error: BaseException, filename: str) -> str:
    """Return one line about a file that can't be read."""
    blocked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if blocked:
        return (
            f"{filename} holds a {blocked[1]}, which is not read because a file could run code "
            "that way; if you trust its source, open it once with "
            "torch.load(..., weights_only=False) and save its state_dict alone"
        )
    # Messages of other errors are internals of the unpickler ("101").
    helps = isinstance(error, RuntimeError | OSError) and str(error)
    reason = f" ({one_line(error).partition('. ')[0][:120]})" if helps else ""
    return f"{filename} is no checkpoint, or not a complete one{reason}; copy or write it again"


def local_file(filename: str) -> Path:
    """Return the local file of a checkpoint; an address is downloaded into torch's cache.

    Args:
        filename: A path, or a folder of Hugging Face's; ``https://...``, ``timm://NAME``,
            ``torchvision://resnet50``, ``hf://owner/name``, ``open-mmlab://...``, ``mmcls://...``;
            ``http://...`` where the environment variable ``MMSELFSUP_ALLOW_HTTP`` is 1.

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
    if separator and scheme == "timm":
        return timm_file(rest)
    if separator and scheme in ("hf", "huggingface"):
        return hugging_face_file(rest)
    path = expanded(filename)
    if path.is_dir():
        inside = weights_in_folder(path)
        if inside is None:
            raise UserError(
                f"{filename} is a folder; name a checkpoint file, such as its latest.pth"
            )
        return inside
    if not path.is_file():
        raise UserError(f"no checkpoint at {filename}; check the path")
    return path


def _download(url: str) -> Path:
    """Download once into torch's cache; processes that want the same file wait for the first.

    A lock and not a barrier: the file may be needed before there is a process group, and takes
    longer than a collective may wait.

    Raises:
        UserError: The address is not allowed or names no file, or the download fails.
    """
    address = urlparse(url)
    base = os.path.basename(address.path)
    if not address.netloc or not base:
        raise UserError(f"{url} names no file; give the whole address of a checkpoint")
    _check_scheme(url)
    digest = hash_in_name(base)
    # A name with a hash is that of one content. Others, such as latest.pth, are many files'.
    unique = base if digest else f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{base[-200:]}"
    target = Path(torch.hub.get_dir()) / "checkpoints" / unique
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            _check_hash(target, digest)
            return target
        with file_lock(target.parent / f".{unique}.lock"):
            if not target.exists():  # another process may have fetched it meanwhile
                _fetch(url, target, digest)
    except (URLError, HTTPException, OSError, RuntimeError) as error:
        raise UserError(
            f"can't download {url} ({one_line(error)}); without a network, put the file at {target}"
        ) from error
    return target


def _check_scheme(url: str) -> None:
    """Check that an address is encrypted, or that the user allows others."""
    if not url.startswith("https://") and os.environ.get(_ALLOW_HTTP, "0") in ("", "0"):
        raise UserError(
            f"{url} is not encrypted, anyone on the way could give other weights: take https://, "
            f"or set {_ALLOW_HTTP}=1"
        )


def hash_in_name(name: str) -> str | None:
    """Return the beginning of a SHA-256 hash at the end of a file's name, such as ``-0676ba61``."""
    found = re.search(r"-([0-9a-f]{8,64})\.[A-Za-z]+(\.[A-Za-z]+)?$", name)
    if found is None or re.fullmatch(r"(19|20)\d\d[01]\d[0-3]\d", found[1]):  # a date
        return None
    return found[1]


def _check_hash(path: Path, digest: str | None) -> None:
    """Check that a file is what the hash in its name says."""
    if digest is not None and not (actual := sha256(path)).startswith(digest):
        raise UserError(
            f"{path} is not what its name says (its SHA-256 hash begins with {actual[:8]}); remove "
            "it, it will be downloaded again"
        )


def _fetch(url: str, target: Path, digest: str | None) -> None:
    """Download an address into a file, completely or not at all; the caller holds its lock."""
    # What a killed download left: nobody else writes these names while we hold the lock.
    for leftover in target.parent.glob(f"{glob.escape(temporary_prefix(target))}{'?' * 8}"):
        leftover.unlink(missing_ok=True)
    request = Request(url, headers={"User-Agent": "mmselfsup"})
    with urlopen(request, timeout=_SECONDS) as answer:
        _check_scheme(answer.geturl())  # after redirections
        length = answer.headers.get("Content-Length")
        total = int(length) if length and length.isdecimal() else None
        bar = progress(desc=target.name, total=total, unit="B", unit_scale=True)
        with bar, atomic_write(target) as file:
            found, size = hashlib.sha256(), 0
            while block := _read(answer):
                file.write(block)
                found.update(block)
                size += len(block)
                bar.update(len(block))
            if total is not None and size != total:
                raise HTTPException(f"the connection broke after {size} of {total} bytes")
            if digest is not None and not found.hexdigest().startswith(digest):
                raise UserError(
                    f"{url} is not what its name says (its SHA-256 hash begins with "
                    f"{found.hexdigest()[:8]}): it was changed on the server or on the way"
                )


def _read(answer: Any) -> bytes:
    """Return the next bytes of an answer; errors are not those of the file they are written to."""
    try:
        data: bytes = answer.read(1 << 20)
    except OSError as error:
        raise HTTPException(one_line(error)) from error
    return data


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
