"""Writing of checkpoints: completely or not at all, tensors and plain data only.

Beside the checkpoint of the whole run there is a file of the trained backbone alone, under the
names that torchvision (ResNet) and timm (ViT and Swin) use.
"""

import io
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.fileio import FileClient
from torch import Tensor, nn
from torch.optim import Optimizer

from mmselfsup.models.utils.adapters import plain_state
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .timm_names import published_names, sees_class_token
from .unseen_facts import facts_of_network, with_facts


def save_checkpoint(
    model: nn.Module,
    path: str,
    optimizer: Optimizer | dict[str, Optimizer] | None = None,
    meta: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint that ``torch.load(..., weights_only=True)`` reads.

    Layout: ``meta`` (plain data), ``state_dict``, ``optimizer``, and what ``extra`` holds. The
    calling process writes; call it on one rank.

    Args:
        model: The model, wrapped for several processes or not.
        path: Final name; an older file of that name stays until the new one is complete.
        optimizer: One optimizer, or several by name.
        meta: Facts about the run (epoch, iter, config text, class names, ...).
        extra: Further state of tensors and plain data (random state, ...).

    Raises:
        UserError: The file can't be written, or a weight is not finite.
        TypeError: ``extra`` names a key of the layout.
    """
    state: dict[str, Any] = {"meta": plain(dict(meta or {}))}
    state["state_dict"] = _weights(model)
    _check_finite(model, state["state_dict"], path)
    if isinstance(optimizer, Optimizer):
        state["optimizer"] = to_cpu(optimizer.state_dict())
    elif optimizer is not None:
        state["optimizer"] = {name: to_cpu(o.state_dict()) for name, o in optimizer.items()}
    taken = set(state).intersection(extra or {})
    if taken:
        raise TypeError(f"extra may not hold {sorted(taken)}: the checkpoint has these already")
    _write({**state, **to_cpu(dict(extra or {}))}, str(path))


def plain(value: Any) -> Any:
    """Return ``value`` as JSON types: dicts with string keys, lists, numbers, strings, None.

    Numpy numbers and 0-d tensors become numbers, arrays and tuples lists, paths strings; any
    other object becomes its ``repr``, because its meaning for a resumed run is not known.
    """
    if value is None or isinstance(value, bool | int | float | str):
        # numpy's float64 is a float, and its str_ a str, but neither is plain.
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic | np.ndarray | Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = value if isinstance(value, list | tuple) else sorted(value, key=str)
        return [plain(item) for item in items]
    return str(value) if isinstance(value, os.PathLike) else repr(value)


def to_cpu(value: Any) -> Any:
    """Return nested dicts, lists and tuples with their tensors in main memory."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {key: to_cpu(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_cpu(item) for item in value]
    return tuple(to_cpu(item) for item in value) if isinstance(value, tuple) else value


def _weights(model: nn.Module) -> OrderedDict[str, Tensor]:
    """Return the state dict in main memory, with the modules' versions that converters read."""
    state: Any = getattr(model, "module", model).state_dict()
    weights = OrderedDict((name, to_cpu(tensor)) for name, tensor in state.items())
    weights._metadata = state._metadata  # type: ignore[attr-defined]
    return weights


def _check_finite(model: nn.Module, weights: Mapping[str, Tensor], path: str) -> None:
    """Check that no weight is nan or infinite; a buffer may be infinite, but not nan.

    Raises:
        UserError: A weight is not finite. The file is not written and an older one stays.
    """
    trained = {name for name, _ in getattr(model, "module", model).named_parameters()}
    bad = [
        name
        for name, tensor in weights.items()
        if tensor.is_floating_point()
        and not (tensor.isfinite() if name in trained else ~tensor.isnan()).all()
    ]
    if bad:
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise UserError(
            f"the weights are not finite ({bad[0]}{others}), so {path} is not written: lower "
            "optimizer.lr, lengthen the warm-up or set optimizer_config.grad_clip; the checkpoints "
            "before it stay"
        )


def _write(state: dict[str, Any], path: str) -> None:
    """Write to a disk, or to another storage that mmcv knows (``s3://...``)."""
    if "://" in path:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        FileClient.infer_client(uri=path).put(buffer.getvalue(), path)
        return
    with atomic_write(path, "wb") as file:
        torch.save(state, file)


def link_latest(path: str, name: str = "latest.pth") -> None:
    """Link ``name`` beside ``path`` to it; a copy where the file system has no links.

    Raises:
        UserError: The folder can't be written.
    """
    target = Path(path)
    link = target.with_name(name)
    try:
        # A name that no other process has; a link can't replace the file, so it goes first.
        handle, aside = tempfile.mkstemp(prefix=f".{name}.", dir=target.parent)
        os.close(handle)
        os.unlink(aside)
        try:
            Path(aside).symlink_to(target.name)
        except OSError:
            with atomic_write(link) as copy, open(target, "rb") as source:
                shutil.copyfileobj(source, copy)
            return
        # A rename replaces the old link at once: there is always a latest checkpoint.
        os.replace(aside, link)
    except OSError as error:
        raise UserError(f"can't write {link}: {error.strerror}; check the folder") from error


def export_backbone(model: nn.Module, path: str) -> bool:
    """Write the backbone of a model so that torchvision's or timm's network loads the file.

    The file holds the weights, and as an attribute of their dict, which other libraries don't
    read, what they don't show (``unseen_facts``): ``resnet50().load_state_dict(torch.load(path),
    strict=False)`` leaves out the classifier only, and so does timm's
    ``create_model("vit_small_patch16_224", checkpoint_path=path, num_classes=0)``.

    Returns:
        Whether the model has a backbone, and so a file was written.

    Raises:
        UserError: The file can't be written.
    """
    state = backbone_state(model)
    if state is None:
        return False
    facts = facts_of_network(backbone_of(model))
    with atomic_write(path, "wb") as file:
        torch.save(with_facts(state, facts), file)
    return True


def backbone_of(model: nn.Module) -> Any:
    """Return the backbone that ``backbone.pth`` holds, None without one.

    It is the one that the model names (``BaseModel.evaluated``), otherwise ``model.backbone``.
    """
    bare: Any = getattr(model, "module", model)
    if hasattr(bare, "evaluated"):
        return bare.evaluated()
    return getattr(bare, "backbone", None)


def backbone_state(model: nn.Module) -> dict[str, Tensor] | None:
    """Return the weights of ``backbone_of`` without prefix, None without a backbone.

    Adapters (LoRA) are merged into the weights; a ViT or Swin has timm's names
    (``published_names``), any other network its own, and so has a ViT without a class token.
    """
    backbone = backbone_of(model)
    if backbone is None:
        return None
    weights = plain_state(backbone)
    # Without its unused class token the file would not load here again.
    return to_cpu(published_names(weights) if sees_class_token(backbone) else dict(weights))
