"""What a network computes and its weights don't show: attention heads, the activation of the MLPs.

Weights of 12 heads fill a network of 6 heads of the same width, which then computes something else.
Where the file, its names or its address say what it is of, it is compared with the model.
"""

import ast
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.models.builder import BACKBONES
from mmselfsup.models.utils.backbone_parts import attention_blocks, blocks_of
from mmselfsup.utils.errors import UserError

from .load import meta_of
from .same_network import ADVICE, BACKBONE
from .stored_config import class_in, entries, model_entries, type_in
from .weight_files import CONFIG, IN_FOLDER, hugging_face_config

# MoCo v3's file has both networks, and the transformers of its authors have 12 heads in each width;
# that of a user's own width may have any number.
_MOCO_V3 = ("base_encoder.patch_embed.proj.weight", "momentum_encoder.patch_embed.proj.weight")
_MOCO_V3_WIDTHS = (384, 768)
_MOCO_V3_HEADS = 12
_KEPT = "unseen_facts"  # an attribute of the weights in a file with a backbone alone
#: Activations whose difference is seen in features, by lower-case names without underscores.
_ACTIVATIONS = ("gelu", "quickgelu", "relu")


@dataclass(frozen=True)
class Facts:
    """What is known about a network; None for what is not.

    Attributes:
        heads: Attention heads of the first block.
        activation: Activation of its MLP, one of ``_ACTIVATIONS``.
    """

    heads: int | None = None
    activation: str | None = None


def facts_of_network(network: nn.Module) -> Facts:
    """Return the facts of a backbone."""
    attention = next(iter(attention_blocks(network).values()), None)
    heads = getattr(attention, "num_heads", None)
    block = next(iter(blocks_of(network)), None)
    kinds = [_plain(type(m).__name__) for m in block.modules()] if block and attention else []
    found = dict.fromkeys(kind for kind in kinds if kind in _ACTIVATIONS)
    activation = next(iter(found)) if len(found) == 1 else None
    return Facts(heads if isinstance(heads, int) else None, activation)


def facts_of_file(
    filename: str, state: Mapping[str, Any], weights: Mapping[str, Tensor], prefix: str = ""
) -> Facts:
    """Return what a file says about its network, by the first of these that says anything.

    Its config (checkpoints of this project and of MMSelfSup), what ``with_facts`` left in it, its
    names (MoCo v3), the ``config.json`` beside it (a folder of Hugging Face's transformers,
    ``hf://``), its address (``timm://``).

    Args:
        filename: Path or address.
        state: The content of the file.
        weights: Its weights.
        prefix: Prefix of the network in it that is meant; the config describes no teacher.
    """
    own = prefix.removeprefix("module.") in ("", BACKBONE)
    stored = _of_config(meta_of(state).get("config") if own else None)
    if stored.heads is not None:
        return stored
    kept = getattr(state.get("state_dict", state), _KEPT, None)
    if kept and own:
        return Facts(kept.get("heads"), kept.get("activation"))
    if _is_moco_v3(weights):
        return Facts(_MOCO_V3_HEADS)
    library, separator, name = filename.partition("://")
    if separator:
        if library in ("hf", "huggingface"):
            return _of_hugging_face(hugging_face_config(name))
        return _of_timm(name) if library == "timm" else Facts()
    path = Path(filename)
    if not path.is_dir() and path.name not in IN_FOLDER:
        return Facts()
    return _of_hugging_face((path if path.is_dir() else path.parent) / CONFIG)


def with_facts(weights: Mapping[str, Tensor], facts: Facts) -> OrderedDict[str, Tensor]:
    """Return weights that keep the facts in a file, as an attribute of the dict.

    So the file stays a plain one of weights: torch writes and reads such attributes of an
    ``OrderedDict`` (also with ``weights_only``), and nobody takes them for weights.
    """
    found = OrderedDict(weights)
    vars(found)[_KEPT] = {n: value for n, value in asdict(facts).items() if value is not None}
    return found


def check_unseen(filename: str, found: Facts, model: nn.Module) -> None:
    """Check that a model's backbone computes what that of a file does, as far as the file tells.

    Args:
        filename: Name of the file.
        found: See ``facts_of_file``.
        model: The model; without a ``backbone`` it counts as one.

    Raises:
        UserError: The numbers of attention heads or the activations differ.
    """
    own = facts_of_network(getattr(model, "backbone", model))
    for what, theirs, ours in (
        ("attention heads", found.heads, own.heads),
        ("activation", found.activation, own.activation),
    ):
        if None not in (theirs, ours) and theirs != ours:
            raise UserError(
                f"{filename} is of another network: {what} {theirs}, the model has {ours}, which "
                f"its weights don't show; {ADVICE}"
            )


def _plain(name: str) -> str:
    """Return a name of an activation without case and underscores."""
    return name.lower().replace("_", "")


def _is_moco_v3(weights: Mapping[str, Tensor]) -> bool:
    """Return whether weights are of MoCo v3's code, and of a width that its authors trained."""
    found = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return all(n in found and len(found[n]) in _MOCO_V3_WIDTHS for n in _MOCO_V3)


def _of_config(text: Any) -> Facts:
    """Return the facts of the backbone that the text of a config describes; it is never run."""
    backbone = entries(model_entries(text).get("backbone"))
    arch = backbone.get("arch")
    given = backbone.get("num_heads") or entries(arch).get("num_heads")
    if given is None and isinstance(arch, ast.Constant):
        zoo = getattr(class_in(backbone), "arch_zoo", {})
        sizes = zoo.get(str(arch.value).lower())
        heads = sizes.get("num_heads") if isinstance(sizes, Mapping) else None
    else:
        heads = given.value if isinstance(given, ast.Constant) else None
    named = type_in(entries(entries(backbone.get("layer_cfgs")).get("act_cfg")))
    activation = _plain(named or "")
    return Facts(
        heads if isinstance(heads, int) else None,
        activation if activation in _ACTIVATIONS else None,
    )


def _of_hugging_face(path: Path | None) -> Facts:
    """Return the facts in a ``config.json`` of transformers, none of what can't be read."""
    try:
        config = json.loads(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError):
        return Facts()
    config = config if isinstance(config, dict) else {}
    config = config.get("vision_config") or config  # of models of images and text
    heads, activation = config.get("num_attention_heads"), _plain(str(config.get("hidden_act")))
    gated = config.get("use_swiglu_ffn") or config.get("use_gated_mlp")
    known = activation in _ACTIVATIONS and not gated
    return Facts(heads if isinstance(heads, int) else None, activation if known else None)


def _of_timm(name: str) -> Facts:
    """Return the facts of a model of timm, none of one that can't be built without weights."""
    try:
        with torch.device("meta"):
            return facts_of_network(BACKBONES.build({"type": f"timm.{name}"}))
    except (KeyError, OSError, RuntimeError, TypeError, ValueError):
        return Facts()
