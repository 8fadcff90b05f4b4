"""What an exported network says of its images: size, crop, settings of Resize, range of values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmselfsup.apis.exporter import export_model, prepared_images
from mmselfsup.apis.inference.image_input import config_of
from mmselfsup.core.checkpoint import load_state
from mmselfsup.export import preprocessing_of
from mmselfsup.export.description import check_preparation
from mmselfsup.utils.errors import UserError
from tests.export.test_formats import pipeline, write_checkpoint

END = pipeline(32)[2:]
PHOTOGRAPHS: dict[str, Any] = {"type": "ImageList", "data_prefix": "no/such/folder"}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [dict(type="Resize", size=(40, 48)), dict(type="CenterCrop", size=32)],
            "resized to 40 x 48 pixels (bilinear), centre of 32 x 32 cut out",
        ),
        ([dict(type="CenterCrop", size=[32])], "no resizing, centre of 32 x 32 cut out"),
        (
            [dict(type="Resize", size=36, max_size=40), dict(type="CenterCrop", size=(32, 24))],
            "shorter side resized to 36 pixels (bilinear, max_size=40), centre of 32 x 24 cut out",
        ),
        ([dict(type="Resize", size=(32, 32))], "resized to 32 x 32 pixels (bilinear)"),
    ],
)
def test_the_card_says_how_images_are_resized_and_cropped(
    steps: list[dict[str, Any]], words: str, tmp_path: Path
) -> None:
    checkpoint = write_checkpoint(tmp_path, "resnet", [*steps, *END])
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 48, 3), np.uint8) for _ in range(2)]
    options = {"data.test.data_source.value_range": [100, 4000]}
    done = export_model(checkpoint, "safetensors", images=images, options=options)
    card = (done.path.parent / "README.md").read_text()
    assert f"({words})." in card
    assert "- Files of more than 8 bits: values 100 to 4000 become 0 to 255." in card
    facts = json.loads((done.path.parent / "config.json").read_text())
    assert facts["value_range"] == [100, 4000]
    crop = next((step["size"] for step in steps if step["type"] == "CenterCrop"), None)
    assert facts["crop"] == (None if crop is None else [32, 24] if crop == (32, 24) else [32, 32])
    assert facts["resize_settings"] == ({"max_size": 40} if "max_size" in words else {})


@pytest.mark.parametrize(
    ("setting", "value", "fits"),
    [("max_size", 40, False), ("max_size", None, True), ("antialias", True, True),
     ("antialias", False, False)],
)  # fmt: skip
def test_libraries_without_a_setting_of_resize_get_no_network(
    setting: str, value: Any, fits: bool
) -> None:
    steps = [{"type": "Resize", "size": 36, setting: value}, *pipeline(32)[1:]]
    prepared = preprocessing_of(steps, (32, 32), None)
    if fits:
        check_preparation(prepared, "timm")
        return
    with pytest.raises(UserError, match=f"timm has no {setting} of the config's Resize"):
        check_preparation(prepared, "timm")


def test_images_without_a_size_have_that_of_the_training(tmp_path: Path) -> None:
    """No photograph that happens to be there says which size the network is used with."""
    checkpoint = write_checkpoint(tmp_path, "resnet", END)
    cfg = config_of(checkpoint, load_state(checkpoint))
    for part in ("train", "test"):
        cfg.data[part].data_source = PHOTOGRAPHS
    with pytest.raises(UserError, match="give images no size, and none of its images are here"):
        prepared_images(cfg, None)
    cfg.data.train.pipeline = [dict(type="RandomCrop", size=(48, 48)), *END]
    assert prepared_images(cfg, None).shape == (2, 3, 48, 48)
    shorter: Config = Config(cfg._cfg_dict.to_dict())
    shorter.data.test.pipeline = [dict(type="Resize", size=40), *END]
    assert prepared_images(shorter, None).shape == (2, 3, 40, 40)


def test_images_of_several_sizes_are_one_clear_line(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path, "resnet", END)
    images = [Image.new("RGB", size) for size in ((40, 40), (50, 40))]
    with pytest.raises(UserError, match="images of several sizes"):
        export_model(checkpoint, "safetensors", images=images)
