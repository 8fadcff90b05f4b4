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
