"""What happened when weights were loaded, and how it is told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 6


@dataclass(frozen=True)
class Mismatch:
    """A weight that is in the file and in the model, in different shapes."""

    name: str
    found: tuple[int, ...]
    wanted: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {list(self.found)}, the model wants {list(self.wanted)}"


def _listed(names: Sequence[str]) -> str:
    """All names where they are few, otherwise how many begin with what."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    parts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part}.* {count}" for part, count in parts.most_common(_SHOWN))


@dataclass(frozen=True)
class LoadReport:
    """Which weights of a file went into a model.

    Attributes:
        filename: the file.
        matched: names in the model that were filled.
        missing: names in the model that the file doesn't have.
        unexpected: names in the file that the model doesn't have.
        mismatched: names in both whose shapes differ; not loaded.
        removed_prefix: what was taken off the names in the file, ``''`` for nothing.
        backbone_matched: how many weights of the backbone were filled.
        backbone_total: how many weights the backbone has.
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
        """Whether every weight of the backbone was filled."""
        return self.backbone_matched == self.backbone_total

    def __str__(self) -> str:
        lines = [
            f"weights from {self.filename}: {len(self.matched)} matched "
            f"(backbone {self.backbone_matched} of {self.backbone_total})"
        ]
        if self.removed_prefix:
            lines.append(f"  prefix taken off: {self.removed_prefix}")
        if self.missing:
            lines.append(f"  missing in the file ({len(self.missing)}): {_listed(self.missing)}")
        if self.unexpected:
            lines.append(f"  left over ({len(self.unexpected)}): {_listed(self.unexpected)}")
        lines.extend(f"  other shape: {mismatch}" for mismatch in self.mismatched[:_SHOWN])
        if len(self.mismatched) > _SHOWN:
            lines.append(f"  ... and {len(self.mismatched) - _SHOWN} more of other shapes")
        return "\n".join(lines)
