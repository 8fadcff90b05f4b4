"""Find which part of a checkpoint is the backbone.

Checkpoints name the same backbone in many ways: ``layer1.0.conv1.weight`` (torchvision, timm),
``backbone.layer1...`` (this project), ``module.encoder_q.0.layer1...`` (a wrapped MoCo), ... The
prefix is found by looking for the backbone's own names at the end of the file's names.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mmselfsup.utils.errors import UserError

BACKBONE = "backbone."
# A file may hold the same network twice; the trained one is wanted, not its slow copy.
_COPIES = ("encoder_k", "target", "teacher", "momentum", "ema")
_TRAINED = (BACKBONE, "encoder_q.", "online_net.", "encoder.", "base_encoder.", "student.")


@dataclass
class Candidate:
    """A prefix and how much of the backbone stands behind it."""

    prefix: str
    kernels: int = 0
    weights: int = 0

    @property
    def is_copy(self) -> bool:
        """Whether it is a momentum copy of another network."""
        return any(mark in self.prefix for mark in _COPIES)

    def rank(self) -> tuple[int, int, bool, int]:
        """Larger is better: more of the backbone, not a copy, a name of the trained network."""
        named = [i for i, mark in enumerate(_TRAINED) if mark in self.prefix]
        return self.kernels, self.weights, not self.is_copy, -min(named, default=len(_TRAINED))


def candidates(source: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[Candidate]:
    """All prefixes behind which a weight of ``wanted`` stands in the same shape, best first."""
    found: dict[str, Candidate] = defaultdict(lambda: Candidate(""))
    for name, tensor in source.items():
        start = 0
        while start >= 0:
            match = wanted.get(name[start:])
            if match is not None and match.shape == tensor.shape:
                candidate = found[name[:start]]
                candidate.prefix = name[:start]
                candidate.weights += 1
                # A kernel tells more than a bias or a counter: short vectors fit by accident.
                candidate.kernels += tensor.ndim >= 2
            dot = name.find(".", start)
            start = dot + 1 if dot >= 0 else -1
    return sorted(found.values(), key=Candidate.rank, reverse=True)


def _same(source: Mapping[str, Tensor], first: str, second: str, names: list[str]) -> bool:
    """Whether two prefixes hold equal weights."""
    return all(
        torch.equal(source[first + name], source[second + name])
        for name in names
        if first + name in source and second + name in source
    )


def find_prefix(source: Mapping[str, Tensor], wanted: Mapping[str, Tensor], filename: str) -> str:
    """The prefix of the backbone in ``source``.

    Args:
        source: the weights in the file.
        wanted: the weights of the model's backbone, without prefix.
        filename: for the error.

    Raises:
        UserError: nothing fits, or several networks in the file fit equally well.
    """
    total = sum(tensor.ndim >= 2 for tensor in wanted.values())
    ranked = candidates(source, wanted)
    fits = [
        c
        for c in ranked
        if (c.kernels and (_is_own(c.prefix) or 2 * c.kernels >= total))
        or (not total and c.weights)
    ]
    if not fits:
        first = next(iter(source), "nothing")
        raise UserError(
            f"{filename}: no weight fits the backbone; its names begin with {_head(first)!r}, "
            f"the model wants '{BACKBONE}{next(iter(wanted), '')}' in shape "
            f"{list(next(iter(wanted.values())).shape)}; check that the file is of the same network"
        )
    best = fits[0]
    for other in fits[1:]:
        if other.rank() != best.rank():
            break
        if not _same(source, best.prefix, other.prefix, list(wanted)):
            raise UserError(
                f"{filename}: the backbone may be {best.prefix!r} or {other.prefix!r}; cut the "
                "wanted one out with tools/model_converters/extract_backbone_weights.py --prefix"
            )
    return best.prefix


def _is_own(prefix: str) -> bool:
    """Whether weights of this project stand behind ``prefix``: then a part of them may do."""
    return prefix.removeprefix("module.") in ("", BACKBONE)


def _head(name: str) -> str:
    """The first two parts of a dotted name."""
    return ".".join(name.split(".")[:2])
