"""The prefix under which a file has the backbone: found by the backbone's own names."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mmselfsup.utils.errors import UserError

from .same_network import ADVICE, BACKBONE

# A file may hold the same network twice; the trained one is loaded, not its momentum copy.
_COPIES = ("encoder_k", "target", "teacher", "momentum", "ema")
_TRAINED = (BACKBONE, "encoder_q.", "online_net.", "encoder.", "base_encoder.", "student.")


def find_prefix(
    source: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    filename: str,
    partial: bool = False,
) -> str:
    """Return the prefix of the backbone in ``source``.

    Args:
        source: The weights in the file.
        wanted: The weights of the model's backbone, without prefix.
        filename: Name of the file, for the error.
        partial: Whether less than half of the kernels is enough under a prefix of others too.

    Raises:
        UserError: Nothing fits, or several networks in the file fit equally well.
    """
    total = sum(tensor.ndim >= 2 for tensor in wanted.values())
    ranked = candidates(source, wanted)
    # Files of this project may hold a part of the backbone, others at least half of its kernels.
    fits = [
        c
        for c in ranked
        if (c.kernels and (partial or _is_own(c.prefix) or 2 * c.kernels >= total))
        or (not total and c.weights)
    ]
    if not fits:
        some = max(ranked, key=lambda c: c.kernels, default=Candidate(""))
        if some.kernels:
            raise UserError(
                f"{filename} is of another network: under {some.prefix!r} it fills "
                f"{some.kernels} of {total} kernels of the backbone; {ADVICE}"
            )
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
                f"{filename}: the backbone may be {best.prefix!r} or {other.prefix!r}; extract "
                "the wanted one with tools/model_converters/extract_backbone_weights.py --prefix"
            )
    return best.prefix


def _is_own(prefix: str) -> bool:
    """Return whether ``prefix`` is of this project: then a part of the weights is enough."""
    return prefix.removeprefix("module.") in ("", BACKBONE)


def _head(name: str) -> str:
    """Return the first two parts of a dotted name."""
    return ".".join(name.split(".")[:2])


def _same(source: Mapping[str, Tensor], first: str, second: str, names: list[str]) -> bool:
    """Return whether two prefixes hold equal weights."""
    return all(
        torch.equal(source[first + name], source[second + name])
        for name in names
        if first + name in source and second + name in source
    )


@dataclass
class Candidate:
    """A prefix and the number of weights of the backbone under it."""

    prefix: str
    kernels: int = 0
    weights: int = 0

    @property
    def is_copy(self) -> bool:
        """Return whether it is a momentum copy of another network."""
        return any(mark in self.prefix for mark in _COPIES)

    def rank(self) -> tuple[int, int, bool, bool, int]:
        """Return a sort key: more of the backbone, not a copy, a name of the trained network.

        A model with ``backbone`` and ``student.backbone`` holds one module under two names: under
        the first all others, such as those of the teacher, have their own names.
        """
        named = [i for i, mark in enumerate(_TRAINED) if mark in self.prefix]
        trained = -min(named, default=len(_TRAINED))
        return self.kernels, self.weights, not self.is_copy, _is_own(self.prefix), trained


def candidates(source: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[Candidate]:
    """Return the prefixes of weights that ``wanted`` has in the same shape, best first."""
    by_prefix: dict[str, Candidate] = defaultdict(lambda: Candidate(""))
    for name, tensor in source.items():
        start = 0
        while start >= 0:
            match = wanted.get(name[start:])
            if match is not None and match.shape == tensor.shape:
                candidate = by_prefix[name[:start]]
                candidate.prefix = name[:start]
                candidate.weights += 1
                # Kernels are better evidence than biases or counters: short vectors fit by chance.
                candidate.kernels += tensor.ndim >= 2
            dot = name.find(".", start)
            start = dot + 1 if dot >= 0 else -1
    return sorted(by_prefix.values(), key=Candidate.rank, reverse=True)
