"""Checkpoints reduced to the part that others need."""

import ast
import hashlib
import inspect
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mmselfsup.models.utils.adapters import merge_adapters
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write

from .load import load_state, meta_of
from .stored_config import class_in, entries, model_entries, statements
from .stored_weights import weights_below, weights_of
from .timm_names import backbone_in_format
from .unseen_facts import facts_of_file, with_facts

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
# The first weight of a ResNet, of a transformer and of timm's, without prefix: as in backbone.pth.
_FIRST = ("conv1.weight", "patch_embed.projection.weight", "patch_embed.proj.weight")


def extract_backbone(
    checkpoint: str, output: str, prefix: str | None = None, style: str = "mmselfsup"
) -> tuple[str, int]:
    """Write the backbone of a checkpoint as ``dict(state_dict=...)`` without prefix.

    What the weights don't show goes with them where the checkpoint says it, see ``with_facts``.
    Adapters (LoRA) are merged into the weights. Under timm's names, a ViT whose blocks see no class
    token, as the config in the checkpoint says, is written without one.

    Args:
        checkpoint: File to read.
        output: File to write.
        prefix: Prefix of the backbone's names; None to search for it.
        style: Library whose names the weights get, see ``timm_names.FORMATS``.

    Returns:
        The prefix, and the number of weights.

    Raises:
        UserError: There are no such weights, the library has no such network, or a file can't be
            read or written.
    """
    state: Any = load_state(checkpoint)
    weights = weights_of(state, checkpoint)
    prefix = find_backbone(list(weights), checkpoint) if prefix is None else prefix
    selected = weights_below(weights, prefix)
    merge_adapters(selected)
    if not selected:
        raise UserError(f"{checkpoint}: no weight begins with {prefix!r}; see its names first")
    seen = _sees_class_token(meta_of(state).get("config"))
    facts = facts_of_file(checkpoint, state, weights, prefix)
    selected = with_facts(backbone_in_format(selected, style, checkpoint, seen), facts)
    with atomic_write(output) as file:
        torch.save({"state_dict": selected}, file)
    return prefix, len(selected)


def _sees_class_token(text: Any) -> bool:
    """Return ``sees_class_token`` of the backbone that a config's text describes, True if unknown.

    The text is parsed, never run.
    """
    backbone = entries(model_entries(text).get("backbone"))
    given = backbone.get("with_cls_token")
    if isinstance(given, ast.Constant):
        return bool(given.value)
    known = class_in(backbone)
    default = known and inspect.signature(known).parameters.get("with_cls_token")
    return True if default is None else bool(default.default)


def find_backbone(names: list[str], filename: str) -> str:
    """Return the best known prefix that one of the names begins with, '' for a backbone alone.

    Raises:
        UserError: None begins with a known prefix.
    """
    if any(first in names for first in _FIRST):
        return ""
    for prefix in (wrapper + known for known in _PREFIXES for wrapper in ("", "module.")):
        if any(name.startswith(prefix) for name in names):
            return prefix
    starts = sorted({".".join(name.split(".")[:2]) for name in names})
    raise UserError(
        f"{filename} has no backbone under a known name; give one with --prefix, its names begin "
        f"with {', '.join(starts[:20])}"
    )


# What a published file tells about its training; anything else may name people, machines, paths.
_PUBLIC = ("CLASSES", "PALETTE", "epoch", "iter", "mmselfsup_version", "mmcv_version", "seed")
# Sections of a config that describe the method, not the place where it ran.
_SECTIONS = (
    "adapt", "model", "optimizer", "optimizer_config", "lr_config", "momentum_config", "runner",
    "fp16", "amp", "auto_scale_lr", "total_epochs",
)  # fmt: skip
# Buffers of models with a value for every training image.
_OF_IMAGES = ("feature_bank", "label_bank")
# Weights that are downloaded by name.
_ZOO = re.compile(r"(torchvision|modelzoo|open-mmlab|openmmlab|mmcls|timm|hf)://[\w./-]+")


def publish_model(in_file: str, out_file: str) -> Path:
    """Write the weights of a checkpoint and what may be published about them, named by the content.

    The file holds neither optimizer, random state and state of hooks (moving averages, cluster
    of every image) nor memory banks, and of the meta data the classes, progress, versions, seed and
    the sections of the config that describe the method; paths in these are cut to the file name.
    Adapters (LoRA) are merged into the weights.

    Args:
        in_file: Checkpoint to read.
        out_file: Name to write; ``-`` and eight digits of the SHA-256 go before ``.pth``.

    Returns:
        The file that was written.

    Raises:
        UserError: The file can't be read or written.
    """
    state: dict[str, Any] = load_state(in_file)
    weights = state.get("state_dict")
    if not isinstance(weights, dict):
        weights = weights_of(state, in_file)
    for name in [name for name in weights if name.rpartition(".")[2] in _OF_IMAGES]:
        del weights[name]  # in place: the dict has the versions of the modules as an attribute
    merge_adapters(weights)
    state = {"meta": _public(meta_of(state)), "state_dict": weights}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    path = Path(f"{out_file.removesuffix('.pth')}-{digest}.pth")
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
    return path


def _public(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that may be published."""
    kept = {key: meta[key] for key in _PUBLIC if key in meta}
    config = _public_config(meta.get("config"))
    return {**kept, "config": config} if config else kept


def _public_config(text: Any) -> str:
    """Return the sections of a config's text that describe the method, without paths.

    The text is parsed, never run; a text that is no Python gives nothing.
    """
    sections = [
        ast.unparse(_WithoutPaths().visit(statement))
        for statement in statements(text)
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in _SECTIONS
    ]
    return "".join(f"{section}\n" for section in sections)


class _WithoutPaths(ast.NodeTransformer):
    """Cut paths in strings to the file name; names of a model zoo stay."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Return the constant with a path in it cut."""
        value = node.value
        if isinstance(value, str) and re.search(r"[/\\]", value) and not _ZOO.fullmatch(value):
            return ast.Constant(re.split(r"[/\\]", value)[-1])
        return node
