"""Settings that the images of a prepared folder depend on."""

from dataclasses import asdict, dataclass
from typing import Any

from mmselfsup.utils.errors import UserError

from .color_constancy import check_parameters


@dataclass(frozen=True)
class Settings:
    """Settings of the correction of a folder.

    Attributes:
        power: Exponent p of the Minkowski mean, above 0.
        gamma: Gamma to undo first, above 0, or None.
        short_side: Images with a longer short side are shrunk to this, in pixels; None for none.
        quality: Quality of JPEG and WebP files, 1..100.
        crop_border: Whether to cut away the dark border round the field of view first.
        keep_colors: Whether to leave the colours uncorrected.
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
        """Return the content of ``color_constancy.json``, without options that change nothing.

        Folders that were made before these options existed have no such keys: they stay valid.
        """
        facts: dict[str, Any] = {"method": "shades of gray, clipped", **asdict(self)}
        for name in ("crop_border", "keep_colors"):
            if not facts[name]:
                del facts[name]
        return facts
