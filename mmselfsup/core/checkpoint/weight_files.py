"""Files of weights that other libraries write and keep: safetensors, folders, hubs."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from mmselfsup.models.backbones.timm_backbone import timm_weights
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write
from mmselfsup.utils.logger import silenced

from .file_kinds import is_safetensors_content, is_torch_content, other_kind

# Names of weights in a folder of Hugging Face's libraries, best first; an index lists several.
IN_FOLDER = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_INDEX = ".index.json"
#: The file beside weights in which Hugging Face's transformers describe the network.
CONFIG = "config.json"


def is_safetensors(path: Path) -> bool:
    """Return whether a file is read by ``read_safetensors``: by its content, then by its name."""
    if is_safetensors_content(path):
        return True
    named = path.suffix == ".safetensors" or path.name.endswith(_INDEX)
    return named and not is_torch_content(path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, or all files that an index beside them lists.

    Raises:
        UserError: A file is missing or damaged.
    """
    from safetensors.torch import load_file

    found: dict[str, Tensor] = {}
    try:
        for part in _parts(path):
            found.update(load_file(part))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        kind = other_kind(path)
        if kind is not None:
            raise UserError(f"{path} is no safetensors file: it is {kind}") from error
        raise UserError(
            f"{path} is no safetensors file, or not a complete one ({one_line(error)[:120]}); copy "
            "or download it again"
        ) from error
    return found


def _parts(path: Path) -> list[Path]:
    """Return the file, or those that an index lists."""
    if not path.name.endswith(_INDEX):
        return [path]
    names = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
    return [path.parent / Path(name).name for name in sorted(set(names))]


def weights_in_folder(folder: Path) -> Path | None:
    """Return the file of weights in a folder that ``save_pretrained`` wrote, None without one."""
    return next((folder / name for name in IN_FOLDER if (folder / name).is_file()), None)


def hugging_face_file(name: str) -> Path:
    """Return the file of weights of ``owner/model`` or ``owner/model/file``, downloaded or cached.

    An index of several files brings them all.

    Raises:
        UserError: The name has no owner, or no such file can be had.
    """
    repository, file = _repository_and_file(name)
    files = (file,) if file else IN_FOLDER
    problem: Exception = FileNotFoundError(name)
    for wanted in files:
        try:
            path = _hugging_face(repository, wanted)
            if wanted.endswith(_INDEX):
                for part in _parts(path):
                    _hugging_face(repository, _beside(wanted, part.name))
            return path
        except Exception as error:  # of any library between here and the server
            problem = error
    raise UserError(
        f"hf://{name}: no weights ({one_line(problem).partition('. ')[0]}); without a network, "
        "give the path of the file or of the folder"
    ) from problem


def hugging_face_config(name: str) -> Path | None:
    """Return the config beside the weights of ``owner/model[/file]``, None where there is none."""
    try:
        repository, file = _repository_and_file(name)
        return _hugging_face(repository, _beside(file or IN_FOLDER[0], CONFIG))
    except Exception:  # a model of another library has none, and its weights say the rest
        return None


def _repository_and_file(name: str) -> tuple[str, str]:
    parts = name.split("/", 2)
    if len(parts) < 2 or not all(parts):
        raise UserError(f"hf://{name}: give hf://owner/model, or hf://owner/model/file")
    return "/".join(parts[:2]), "".join(parts[2:])


def _beside(file: str, name: str) -> str:
    """Return the path of a file in the folder of another one of a repository."""
    return str(PurePosixPath(file).with_name(name))


def _hugging_face(repository: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download

    with silenced("huggingface_hub"):  # it would report each of its attempts
        return Path(hf_hub_download(repository, file))


def timm_file(name: str) -> Path:
    """Return a file of timm's weights of a model in torch's cache, made by the first call.

    Raises:
        UserError: See ``timm_weights``, or the cache can't be written.
    """
    target = Path(torch.hub.get_dir()) / "checkpoints" / f"timm-{name.replace('/', '-')}.pth"
    if not target.is_file():
        weights: Mapping[str, Any] = timm_weights(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            torch.save(dict(weights), file)
    return target
