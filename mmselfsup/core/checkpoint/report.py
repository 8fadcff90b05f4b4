"""The report of loaded weights, and its text."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 6  # names in a line at most


@dataclass(frozen=True)
class Mismatch:
    """A weight that is in the file and in the model, in different shapes."""

    name: str
    found: tuple[int, ...]
    wanted: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {list(self.found)}, the model wants {list(self.wanted)}"


def _listed(names: Sequence[str]) -> str:
    """Return all names where they are few, otherwise the number of names of each first part."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    parts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part}.* {count}" for part, count in parts.most_common(_SHOWN))


@dataclass(frozen=True)
class LoadReport:
    """Which weights of a file went into a model.

    Attributes:
        filename: The file.
        matched: Names in the model that were filled.
        missing: Names in the model that the file doesn't have.
        unexpected: Names in the file that the model doesn't have.
        mismatched: Names in both whose shapes differ; not loaded.
        removed_prefix: Prefix that was removed from the names in the file, ``''`` for nothing.
        backbone_matched: Number of weights of the backbone that were filled.
        backbone_total: Number of weights of the backbone.
    """

    filename: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[Mismatch, ...]
    removed_prefix: str
    backbone_matched: int
    backbone_total: int

    @property
    def complete(self) -> bool:
        """Return whether every weight of the backbone was filled."""
        return self.backbone_matched == self.backbone_total

    def __str__(self) -> str:
        lines = [
            f"weights from {self.filename}: {len(self.matched)} matched "
            f"(backbone {self.backbone_matched} of {self.backbone_total})"
        ]
        if self.removed_prefix:
            lines.append(f"  prefix removed: {self.removed_prefix}")
        if self.missing:
            lines.append(f"  missing in the file ({len(self.missing)}): {_listed(self.missing)}")
        if self.unexpected:
            lines.append(f"  unexpected ({len(self.unexpected)}): {_listed(self.unexpected)}")
        lines.extend(f"  other shape: {mismatch}" for mismatch in self.mismatched[:_SHOWN])
        if len(self.mismatched) > _SHOWN:
            lines.append(f"  ... and {len(self.mismatched) - _SHOWN} more of other shapes")
        return "\n".join(lines)
