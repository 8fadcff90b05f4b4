"""Parts of any backbone, found by its structure: blocks, layers, attention, normalisations.

Nothing here knows a class of ours: backbones of mmcls, timm and torchvision have the same shapes
under other names.

- Blocks: the items of a ``Sequential`` or ``ModuleList`` that are of one class, have modules inside
  and two kernels or more, in the innermost such container: residual blocks, transformer blocks. A
  convolution with its normalisation has one kernel, and is a part of a stem or of a block.
- An attention block: a module with a linear output projection (``proj``, ``out_proj``), and linear
  layers (``qkv``; ``q``, ``k``, ``v``) or one weight (``in_proj_weight``) for its input.
- The layers of layer-wise decay: blocks of a transformer, stages of a network without attention.
"""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

_OUTPUT = ("proj", "out_proj", "o_proj")
_INPUT = ("qkv", "q", "k", "v", "q_proj", "k_proj", "v_proj", "query", "key", "value")
_INPUT_WEIGHT = "in_proj_weight"


def stages_of(backbone: nn.Module) -> list[list[nn.Module]]:
    """Return the blocks of each stage, in their order; a plain transformer is one stage."""
    lists = [
        (name, module)
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Sequential | nn.ModuleList) and _holds_blocks(module)
    ]
    names = [name for name, _ in lists]
    inner = [
        module
        for name, module in lists
        if not any(other.startswith(f"{name}.") or not name for other in names if other != name)
    ]
    return [list(module) for module in inner]


def blocks_of(backbone: nn.Module) -> list[nn.Module]:
    """Return the blocks of a backbone, in their order; none where it has no such structure."""
    return [block for stage in stages_of(backbone) for block in stage]


def _holds_blocks(container: nn.Module) -> bool:
    """Return whether the items of a container are of one class, have modules and two kernels."""
    items = list(container.children())
    return (
        len({type(item) for item in items}) == 1
        and all(any(True for _ in item.children()) for item in items)
        and all(sum(param.ndim >= 2 for param in item.parameters()) >= 2 for item in items)
    )


def attention_blocks(backbone: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that are attention, by their names in the backbone."""
    found = {}
    for name, module in backbone.named_modules():
        inputs = [child for key, child in module.named_children() if key in _INPUT]
        has_input = any(isinstance(child, nn.Linear) for child in inputs)
        has_input = has_input or keeps_one_weight(module)
        if has_input and output_projection(module) is not None:
            found[name] = module
    return found


def keeps_one_weight(attention: nn.Module) -> bool:
    """Return whether queries, keys and values are one weight beside the linear layers (PyTorch)."""
    return attention._parameters.get(_INPUT_WEIGHT) is not None


def output_projection(attention: nn.Module) -> nn.Linear | None:
    """Return the linear layer behind the heads, None without one."""
    for name in _OUTPUT:
        layer = attention._modules.get(name)
        if isinstance(layer, nn.Linear):
            return layer
    return None


def projections(attention: nn.Module) -> Iterator[nn.Linear]:
    """Yield the linear layers of an attention block: of its inputs, then of its output."""
    for name, child in attention.named_children():
        if name in (*_INPUT, *_OUTPUT) and isinstance(child, nn.Linear):
            yield child


def is_norm(module: nn.Module) -> bool:
    """Return whether a module is a normalisation with scale and shift of its own."""
    if isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm):
        return True
    # Those of other libraries: RMSNorm, LayerNorm2d, ...
    own = type(module).__name__.lower().endswith(("norm", "norm2d"))
    return own and not any(True for _ in module.children())


def layer_numbers(backbone: nn.Module) -> tuple[dict[str, int], int]:
    """Return the number of each parameter's layer, and the number of layers.

    0 is what comes before the first layer (patches, positions, stem), 1 to L are the layers, L + 1
    what comes behind the last one. What stands between two, such as the merging of patches, belongs
    to the one before it.

    Returns:
        Names in the backbone -> 0..L + 1, and L.
    """
    numbers, count = block_numbers(backbone)
    if attention_blocks(backbone):
        return numbers, count
    stages = stages_of(backbone)
    of_block = [i for i, stage in enumerate(stages, 1) for _ in stage]
    layers = [0, *of_block, len(stages) + 1]
    return {name: layers[number] for name, number in numbers.items()}, len(stages)


def block_numbers(backbone: nn.Module) -> tuple[dict[str, int], int]:
    """Return the number of each parameter's block, as ``layer_numbers``, and that of blocks."""
    blocks = blocks_of(backbone)
    owner = {id(p): number for number, block in enumerate(blocks, 1) for p in block.parameters()}
    beside = _beside_stages(backbone, blocks, owner)
    named = list(backbone.named_parameters())
    last = max((i for i, (_, param) in enumerate(named) if id(param) in owner), default=-1)
    numbers: dict[str, int] = {}
    seen = 0
    for i, (name, param) in enumerate(named):
        seen = owner.get(id(param), seen)
        numbers[name] = beside.get(id(param), seen if i <= last else len(blocks) + 1)
    return numbers, len(blocks)


def _beside_stages(
    backbone: nn.Module, blocks: list[nn.Module], owner: dict[int, int]
) -> dict[int, int]:
    """Return block numbers of parameters in lists beside that of the stages, with an item for each.

    Some networks keep what stands between stages in a list of its own, such as
    ``downsample_layers`` beside ``stages``. Items of a list before the stages run before their
    stage, those of one after it behind. A ``Sequential`` runs as a whole: it is a stem, whose
    layers may be as many as the stages.

    Args:
        backbone: The network.
        blocks: Its blocks; a list of them is a stage, and none of stages.
        owner: Number of the block of a parameter, by its ``id``.
    """
    found: dict[int, int] = {}
    single = {id(block) for block in blocks}
    for module in backbone.modules():
        children = [c for c in module.children() if isinstance(c, nn.Sequential | nn.ModuleList)]
        lists = [
            (
                [[id(p) for p in item.parameters()] for item in child.children()],
                isinstance(child, nn.ModuleList),
            )
            for child in children
            if not any(id(item) in single for item in child.children())
        ]
        for place, (stages, _) in enumerate(lists):
            inside = [[owner[i] for i in item if i in owner] for item in stages]
            if len(stages) < 2 or not all(inside):
                continue
            before = [0, *(min(own) - 1 for own in inside[1:])]
            behind = [*(max(own) for own in inside[:-1]), len(blocks) + 1]
            for other, (items, one_by_one) in enumerate(lists):
                own = any(i in owner for ids in items for i in ids)
                if one_by_one and len(items) == len(stages) and not own:
                    numbers = before if other < place else behind
                    found |= {i: n for ids, n in zip(items, numbers, strict=True) for i in ids}
    return found
