"""An image of one or four channels meets a transform that is made for three."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.pipelines.compose import build_pipeline
from mmselfsup.utils.errors import UserError

NORMALIZE = dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 3)
GREY = np.zeros((8, 8), np.uint8)
RGBA = Image.new("RGBA", (8, 8))


@pytest.mark.parametrize(
    ("steps", "image", "message"),
    [
        ([dict(type="ToTensor"), NORMALIZE], GREY, "Normalize is made for 3 channels, .* has 1"),
        ([dict(type="ToTensor"), NORMALIZE], RGBA, "Normalize is made for 3 channels, .* has 4"),
        ([dict(type="RandomGrayscale", p=1.0)], RGBA, "RandomGrayscale is made for 3 .* has 4"),
        (
            [dict(type="ToTensor"), {**NORMALIZE, "mean": [0.5], "std": [0.2]}],
            np.zeros((8, 8, 3), np.uint8),
            None,  # torchvision's broadcasting: one value for all channels
        ),
    ],
)
def test_step_and_numbers_are_named(steps: Any, image: Any, message: str | None) -> None:
    pipeline = build_pipeline(steps)
    if message is None:
        assert pipeline(image).shape[0] == 3
        return
    with pytest.raises(UserError, match=message):
        pipeline(image)


def test_other_errors_of_a_step_stay() -> None:
    class Broken:
        def __call__(self, img: Any) -> Any:
            raise ValueError("my own defect")

    pipeline = build_pipeline([])
    pipeline.transforms.append(Broken())
    with pytest.raises(ValueError, match=r"^my own defect$"):
        pipeline(np.zeros((8, 8, 3), np.uint8))


STEPS: list[dict[str, Any]] = [
    dict(type="GaussianBlur", sigma_min=1, sigma_max=1, p=1.0),
    dict(type="Solarization", p=1.0),
    dict(type="RotatedCrop", size=4),
]
OF_COLOURS: list[dict[str, Any]] = [
    dict(type="ToTensor"),
    dict(type="Lighting"),
    dict(type="LocatedView", size=4, transforms=[]),
]


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "1", "I;16", "F"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["type"])
def test_values_that_are_no_bytes_of_rgb_are_refused(step: dict[str, Any], mode: str) -> None:
    """They were blurred or inverted as if they were, and came back in another mode."""
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    image = grey.convert(mode) if mode in ("1", "I;16", "F") else grey.convert("RGB").convert(mode)
    with pytest.raises(UserError, match=f"the mode {mode}: .* set color_type='color'"):
        build_pipeline([step])(image)


@pytest.mark.parametrize("step", OF_COLOURS, ids=lambda step: step["type"])
def test_numbers_of_a_palette_are_no_grey_levels(step: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="mode P: its values are numbers of a palette"):
        build_pipeline([step])(Image.new("RGB", (8, 8)).convert("P"))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_not_inverted(mode: str) -> None:
    image = Image.new("RGB", (8, 8), (200, 200, 200)).convert(mode)
    inverted = build_pipeline([STEPS[1]])(image)
    assert inverted.mode == mode
    assert inverted.getpixel((0, 0)) == (*[55] * (len(mode) - 1), 255)
