"""One image through a trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis import inference_model, init_model
from mmselfsup.apis.inference.single_image import reading_options
from mmselfsup.core.checkpoint import save_checkpoint
from mmselfsup.utils.errors import UserError

BACKBONE = dict(type="ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=[4])
PIPELINE = [dict(type="Resize", size=[32, 32]), dict(type="ToTensor")]


def config(**changes: Any) -> Config:
    head = dict(type="ClsHead", with_avg_pool=True, in_channels=64, num_classes=3)
    model = dict(type="Classification", backbone=BACKBONE, head=head)
    return Config({"model": model, "data": dict(val=dict(pipeline=PIPELINE)), **changes})


@pytest.fixture
def image() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_scores_of_a_classifier_from_files(tmp_path: Path, image: Image.Image) -> None:
    (tmp_path / "c.py").write_text(config().pretty_text)
    model = init_model(str(tmp_path / "c.py"), device="cpu")
    save_checkpoint(model, str(tmp_path / "w.pth"))
    again = init_model(str(tmp_path / "c.py"), str(tmp_path / "w.pth"), device="cpu")
    assert not again.training
    img, scores = inference_model(again, image)
    assert img.shape == (1, 3, 32, 32)
    assert scores["head4"].shape == (1, 3)
    torch.testing.assert_close(scores["head4"], inference_model(model, image)[1]["head4"])


def test_features_of_a_method_without_test(image: Image.Image) -> None:
    neck = dict(type="LinearNeck", in_channels=64, out_channels=8)
    simclr = dict(type="SimCLR", backbone=BACKBONE, neck=neck, head=dict(type="ContrastiveHead"))
    cfg = config(model=simclr, data=None, test_pipeline=PIPELINE)
    _, features = inference_model(init_model(cfg, device="cpu"), image)
    assert features[0].shape[:2] == (1, 64)


def test_the_patient_of_an_image(image: Image.Image) -> None:
    cfg = config()
    cfg.model.head.update(type="MetadataClsHead")
    model = init_model(cfg, device="cpu")
    torch.nn.init.normal_(model.head.fc_cls.weight)
    known = inference_model(model, image, dict(age=70, site="head/neck", sex="male"))[1]["head4"]
    nothing = inference_model(model, image, {})[1]["head4"]
    assert known.shape == (1, 3)
    assert not torch.allclose(known, nothing)
    with pytest.raises(UserError, match="needs age, site and sex"):
        inference_model(model, image)
    with pytest.raises(UserError, match="site 'nose' must be one of"):
        inference_model(model, image, dict(site="nose"))


def test_options_and_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cfg = config()
    with pytest.warns(UserWarning, match="no GPU here"):
        model = init_model(cfg, options={"model.head.num_classes": 5})
    assert model.cfg.model.head.num_classes == 5
    assert cfg.model.head.num_classes == 3


def test_bad_input(image: Image.Image) -> None:
    with pytest.raises(TypeError, match="file name or a Config, got int"):
        init_model(3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no config"):
        init_model("nowhere.py")
    with pytest.raises(UserError, match="test_pipeline"):
        inference_model(init_model(config(data=None), device="cpu"), image)


def test_the_normalisation_of_the_loader_counts(image: Image.Image) -> None:
    """With ``prefetch`` the pipeline ends with pixels, and the loader normalises them."""
    norm = dict(mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4])
    plain, fast = config(), config(prefetch=True, img_norm_cfg=norm)
    plain.data.val.pipeline = [*PIPELINE, dict(type="Normalize", **norm)]
    fast.data.val.pipeline = PIPELINE[:1]
    slow, quick = (
        inference_model(init_model(cfg, device="cpu"), image)[0] for cfg in (plain, fast)
    )
    torch.testing.assert_close(quick, slow)


def test_a_pre_training_says_how_its_files_are_read() -> None:
    source = dict(type="ImageList", data_prefix="x", channel_order="bgr", value_range=[0, 4095])
    view = dict(type="MultiViewDataset", data_source=source)
    wrapped = dict(type="ConcatDataset", datasets=[dict(type="RepeatDataset", dataset=view)])
    wanted = dict(channel_order="bgr", value_range=[0, 4095])
    for train in (view, wrapped):
        assert reading_options(Config(dict(data=dict(train=train)))) == wanted
    tested = dict(data_source=dict(type="ImageList", data_prefix="x"))
    assert reading_options(Config(dict(data=dict(train=view, test=tested)))) == {}
