"""What the images of a prepared folder depend on."""

from dataclasses import asdict, dataclass
from typing import Any

from ..utils.errors import UserError
from .color_constancy import check_parameters


@dataclass(frozen=True)
class Settings:
    """What the output depends on.

    Attributes:
        power: p of the Minkowski mean, above 0.
        gamma: gamma to undo first, above 0, or None.
        short_side: images with a longer short side are made smaller, in pixels; None for none.
        quality: of JPEG and WebP files, 1..100.
        crop_border: cut the dark border round the field of view away first.
        keep_colors: don't correct the colours.
    """

    power: float = 6.0
    gamma: float | None = None
    short_side: int | None = None
    quality: int = 95
    crop_border: bool = False
    keep_colors: bool = False

    def __post_init__(self) -> None:
        try:
            check_parameters(self.power, self.gamma)
        except ValueError as error:
            raise UserError(str(error)) from error
        if self.short_side is not None and self.short_side < 1:
            raise UserError(f"the short side must be 1 pixel or more, got {self.short_side}")
        if not 1 <= self.quality <= 100:
            raise UserError(f"the quality must be 1..100, got {self.quality}")

    def record(self) -> dict[str, Any]:
        """What ``color_constancy.json`` says; options that change nothing are left out."""
        facts: dict[str, Any] = {"method": "shades of gray, clipped", **asdict(self)}
        for name in ("crop_border", "keep_colors"):
            if not facts[name]:
                del facts[name]
        return facts
