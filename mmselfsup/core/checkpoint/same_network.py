"""Whether a file is of the model's network: a mixture of learnt and random weights is refused.

The kernels of a network are its weights of two or more dimensions. Letters: C channels.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmselfsup.models.utils.adapters import is_adapter
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.plurals import counted

ADVICE = (
    "take the config it was trained with, or allow it with --partial (load_partial=True, in "
    "init_cfg partial=True)"
)
#: Prefix of the backbone's weights in a model of this project.
BACKBONE = "backbone."
#: Ends of buffers of a window's size, which hold nothing learnt.
COMPUTED = (".relative_position_index", ".relative_coords_table")
_OF_NORM = (".weight", ".running_mean", ".running_var")
_OF_SCALE = (".gamma", ".gamma_1", ".gamma_2", ".layer_scale")  # factors of LayerScale
# Ends of what a file may have in a block beyond the model's: biases, counters, what is computed.
_SPARE = ("bias", "num_batches_tracked", "attn_mask", "bias_mask", "periods", *COMPUTED)
_REGISTERS = ("reg_token", "register_tokens")
_PRE_NORM = ("norm_pre.weight", "norm_pre.bias")  # of the tokens before the first block (CLIP)
# Blocks of networks where timm gives that name to the normalisation of the output.
_STAGES = ("stages.", "dense_stages.")
_SHOWN = 3  # names in a message at most


@dataclass(frozen=True)
class Mismatch:
    """A weight that is in the file and in the model, in different shapes."""

    name: str
    found: tuple[int, ...]
    wanted: tuple[int, ...]
    of_input: bool = False  # whether only the channels of the images differ

    def __str__(self) -> str:
        return f"{self.name} {list(self.found)}, the model wants {list(self.wanted)}"


def own_prefix(target: Iterable[str]) -> str:
    """Return the prefix of the backbone in a model; '' where the whole model counts as one."""
    return BACKBONE if any(name.startswith(BACKBONE) for name in target) else ""


def deeper_blocks(names: Iterable[str], target: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the blocks that continue numbered blocks of the model's backbone, each once.

    Args:
        names: The names of the file as the model would have them.
        target: The weights of the model.
    """
    own = own_prefix(target)
    last: dict[tuple[str, ...], int] = {}
    for name in target:
        for place, number in _numbered(name) if name.startswith(own) else ():
            last[place] = max(number, last.get(place, -1))
    blocks: dict[str, None] = {}
    for name in names:
        if name not in target and name.startswith(own):
            for place, number in _numbered(name):
                if number > last.get(place, number):
                    blocks[f"{place[0]}{number}"] = None
    return tuple(blocks)


def further_parts(names: Iterable[str], target: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the weights that blocks of the model's backbone don't have, and parts before them.

    Without them the network computes something else: factors of LayerScale, normalisations of
    queries and keys, biases of relative positions; registers, CLIP's normalisation of the tokens.

    Args:
        names: The names of the file as the model would have them.
        target: The weights of the model.
    """
    own = own_prefix(target)
    starts = {start for name in target for start in _starts(name)}
    single = {own + name for name in _REGISTERS}.union(_before_blocks(own, target))
    return tuple(
        name
        for name in names
        if name not in target
        and name.startswith(own)
        and not name.endswith(_SPARE)
        and not is_adapter(name)
        and (name in single or _starts(name) & starts)
    )


def _before_blocks(own: str, target: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a normalisation before the first block has in the model's backbone."""
    if any(name.startswith(tuple(own + stages for stages in _STAGES)) for name in target):
        return ()
    return tuple(own + name for name in _PRE_NORM)


def _starts(name: str) -> set[str]:
    """Return the beginnings of a dotted name that end with a number and a dot."""
    return {name[: found.end() + 1] for found in re.finditer(r"\.[0-9]+(?=\.)", name)}


def _numbered(name: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield each number in a dotted name, after what stands before and behind it."""
    for found in re.finditer(r"(?<=\.)[0-9]{1,9}(?=\.)", name):
        yield (name[: found.start()], name[found.end() :]), int(found[0])


def check_network(
    filename: str,
    filled: Iterable[str],
    model: nn.Module,
    deeper: Sequence[str],
    mismatched: Sequence[Mismatch],
    further: Sequence[str] = (),
) -> None:
    """Check that a file is of the model's network.

    The backbone may lack tokens, biases and what lies behind the features. It may not lack kernels,
    but for a first convolution for images of other channels, and normalisations and factors of
    LayerScale in its blocks, nor one before them. The file may not have more than that in its
    blocks, and no registers.

    Args:
        filename: Name of the file.
        filled: Names of the model's weights that the file fills.
        model: The model.
        deeper: The result of ``deeper_blocks``.
        mismatched: The weights in other shapes that the file can't fill.
        further: The result of ``further_parts``.

    Raises:
        UserError: The file is of another network.
    """
    target = model.state_dict()
    own, filled = own_prefix(target), set(filled)
    kernels = [
        name
        for name, tensor in target.items()
        if name.startswith(own) and tensor.ndim >= 2 and not name.endswith(COMPUTED)
    ]
    found = [name for name in kernels if name in filled]
    other = [m for m in mismatched if m.name in kernels and not m.of_input]
    in_file, behind = filled | {m.name for m in mismatched}, _behind_features(model)
    before = _before_blocks(own, target)
    lacking = [
        name
        for name, tensor in target.items()
        if (name in before or _is_needed(name, tensor, own))
        and name not in in_file
        and not name.startswith(behind)
    ]
    if deeper:
        problem = f"a deeper network, the model has no place for {_some(deeper)}"
    elif 2 * len(found) < len(kernels):
        problem = (
            f"another network: it fills {len(found)} of {len(kernels)} kernels of the backbone"
        )
    elif other:
        more = f" (and {len(other) - 1} more)" if len(other) > 1 else ""
        problem = f"another network: {other[0]}{more}"
    elif lacking:
        count = counted(len(lacking), "weight")
        problem = (
            f"another network, or a part of one: it lacks {count} of the backbone, such as "
            f"{_some(lacking)}"
        )
    elif further:
        problem = f"a network with more parts, the model has no place for {_some(further)}"
    else:
        return
    raise UserError(f"{filename} is of {problem}; {ADVICE}")


def _is_needed(name: str, tensor: Tensor, own: str) -> bool:
    """Return whether a backbone can't do without a weight.

    That is a kernel, or a normalisation or a factor of LayerScale in a block. Tokens, positions,
    biases and the normalisation of the output may be new.
    """
    if not name.startswith(own) or is_adapter(name):
        return False
    in_block = name.endswith((*_OF_NORM, *_OF_SCALE)) and any(_numbered(name))
    return in_block or (tensor.ndim >= 2 and name.endswith(".weight"))


def _behind_features(model: nn.Module) -> tuple[str, ...]:
    """Return the beginnings of names behind the features, as libraries' networks have them."""
    backbone = getattr(model, "backbone", model)
    head_names = getattr(backbone, "head_names", None)
    names: tuple[str, ...] = () if head_names is None else head_names()
    own = "" if backbone is model else BACKBONE
    return tuple(own + name for name in names)


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many there are beside them."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def check_values(filename: str, filled: Mapping[str, Tensor], model: nn.Module) -> None:
    """Check that weights can be trained from: finite numbers in the precision of the model.

    Args:
        filename: Name of the file.
        filled: Weights of the file under the model's names.
        model: The model.

    Raises:
        UserError: Weights are quantised or complex, not finite, or variances below 0.
    """
    learnt = dict(model.named_parameters(remove_duplicate=False))
    for name, wanted in model.state_dict().items():
        is_variance = name.endswith(".running_var")
        if name not in filled or not (name in learnt or is_variance or ".running_mean" in name):
            continue
        tensor = filled[name]
        if wanted.is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            problem = f"its {name} has values of type {kind}, the model's are floating-point"
        elif not torch.isfinite(tensor.to(wanted.dtype)).all():
            problem = f"values of its {name} are not finite (NaN or infinite)"
        elif is_variance and (tensor < 0).any():
            problem = f"its {name} has variances below 0"
        else:
            continue
        raise UserError(
            f"{filename} can't be used: {problem}; take an earlier checkpoint or save the weights "
            "again as float32"
        )
