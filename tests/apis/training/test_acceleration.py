"""Half precision, layout and compilation by one line of the config each."""

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import Tensor, nn

from mmselfsup.apis.features.frozen_features import extraction_model, frozen_model
from mmselfsup.apis.train import train_model
from mmselfsup.apis.training.acceleration import (
    accelerate,
    amp_dtype,
    compile_backbones,
    has_bfloat16,
)
from mmselfsup.apis.training.hooks import optimizer_hook_config
from mmselfsup.config.check import check_config
from mmselfsup.evaluation.features import precision
from mmselfsup.models import build_algorithm
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.models.utils.small_map_conv import SmallMapConv2d
from mmselfsup.utils.error_context import run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
LOGGER = logging.getLogger("test")
MODEL = dict(
    type="SimCLR",
    backbone=dict(type="ResNet", depth=18, stem_channels=8, base_channels=8),
    neck=dict(type="NonLinearNeck", in_channels=64, hid_channels=8, out_channels=4),
    head=dict(type="ContrastiveHead", temperature=0.5),
)


class TwoViews(torch.utils.data.Dataset[dict[str, Any]]):
    """Eight images of noise, two views each."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {"img": [torch.rand(3, 32, 32), torch.rand(3, 32, 32)], "idx": idx}


def config(**changes: Any) -> Config:
    return Config(
        dict(
            log_level="ERROR",
            data=dict(samples_per_gpu=4, workers_per_gpu=0),
            optimizer=dict(type="SGD", lr=0.05, momentum=0.9),
            lr_config=dict(policy="fixed"),
            runner=dict(type="EpochBasedRunner", max_epochs=2),
            log_config=dict(interval=1, hooks=[]),
            seed=0,
            **changes,
        )
    )


def train(**changes: Any) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(MODEL))
    runner = train_model(model, TwoViews(), config(**changes), meta={"seed": 0})
    state: dict[str, Tensor] = runner.model.state_dict()
    return state


@pytest.mark.parametrize("bfloat16", [True, False])
def test_the_dtype_that_is_chosen(bfloat16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **kwargs: bfloat16)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: bfloat16, raising=False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False, raising=False)
    assert has_bfloat16(CPU) is has_bfloat16(GPU) is bfloat16
    assert amp_dtype(None, GPU) is None
    assert amp_dtype({}, GPU) is (torch.bfloat16 if bfloat16 else torch.float16)
    assert amp_dtype({"dtype": "auto"}, CPU) is (torch.bfloat16 if bfloat16 else None)
    assert amp_dtype({"dtype": "bfloat16"}, CPU) is torch.bfloat16
    assert amp_dtype({"dtype": "float16"}, GPU) is torch.float16
    with pytest.raises(UserError, match="needs a GPU"):
        amp_dtype({"dtype": "float16"}, CPU)
    with pytest.raises(UserError, match="'half': use one of bfloat16"):
        amp_dtype({"dtype": "half"}, GPU)


@pytest.mark.parametrize(
    ("changes", "bfloat16", "kind"),
    [
        (dict(amp=dict(dtype="float16")), True, "float32"),
        (dict(fp16=dict(loss_scale="dynamic")), False, "float32"),
        (dict(fp16=dict(loss_scale="dynamic")), True, "bfloat16"),
        (dict(amp=dict(dtype="bfloat16")), False, "bfloat16"),
    ],
)
def test_a_processor_extracts_in_what_it_has_and_the_log_says_so(
    changes: dict[str, Any],
    bfloat16: bool,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: bfloat16, raising=False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False, raising=False)
    with caplog.at_level(logging.INFO):
        model = extraction_model(config(model=MODEL, **changes), None, 0, LOGGER)
    assert precision(model) == kind
    with torch.no_grad():
        assert str(model(torch.rand(2, 3, 32, 32), mode="extract")[-1].dtype) == f"torch.{kind}"
    said = [line for line in caplog.messages if line.startswith("features are extracted in")]
    assert len(said) == 1
    assert said[0].startswith(f"features are extracted in {kind}, as {next(iter(changes))}=")


@pytest.mark.parametrize("bfloat16", [True, False])
def test_fp16_trains_in_what_a_processor_has(
    bfloat16: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: bfloat16, raising=False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False, raising=False)
    full = train()
    logger = get_root_logger()
    logger.addHandler(caplog.handler)
    try:
        half = train(fp16=dict(loss_scale="dynamic"))
    finally:
        logger.removeHandler(caplog.handler)
    assert all(torch.equal(half[name], full[name]) for name in full) is not bfloat16
    said = "fp16: this CPU has no bfloat16, the precision is float32"
    assert (said in caplog.messages) is not bfloat16


def test_amp_and_fp16_are_refused_in_an_extraction_too() -> None:
    both = dict(amp=dict(dtype="float16"), fp16=dict(loss_scale="dynamic"))
    with pytest.raises(UserError, match="amp and fp16 are both set"):
        extraction_model(config(model=MODEL, **both), None, 0, LOGGER)


def test_float16_scales_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmselfsup.apis.training.hooks.default_device", lambda: GPU)
    hook = optimizer_hook_config(config(amp=dict(dtype="float16")), distributed=False)
    assert hook == dict(type="GradAccumFp16OptimizerHook", loss_scale="dynamic")
    hook = optimizer_hook_config(config(amp=dict(dtype="bfloat16")), distributed=False)
    assert hook == dict(type="DistOptimizerHook")


def test_half_precision_is_near_and_losses_are_full() -> None:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(MODEL))
    views = [torch.rand(8, 3, 32, 32) for _ in range(2)]
    full = model(views)["loss"]
    accelerate(model, config(amp=dict(dtype="bfloat16")), LOGGER)
    half = model(views)["loss"]
    assert half.dtype is torch.float32
    assert half != full
    assert half.item() == pytest.approx(full.item(), rel=0.05)
    assert model(views[0], mode="extract")[0].dtype is torch.bfloat16


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(
    ("changes", "kind", "tolerance"),
    [
        ({}, "float32", 1e-5),
        (dict(amp=dict(dtype="bfloat16"), channels_last=True), "bfloat16", 0.05),
        (dict(fp16=dict(loss_scale="dynamic")), "bfloat16", 0.05),
    ],
)
def test_features_are_extracted_as_in_the_training(
    changes: dict[str, Any], kind: str, tolerance: float
) -> None:
    cfg = config(model=MODEL, **changes)
    plain, model = frozen_model(cfg, None, 0), extraction_model(cfg, None, 0)
    assert (precision(plain), precision(model)) == ("float32", kind)
    assert any(isinstance(module, SmallMapConv2d) for module in model.modules())
    img = torch.rand(70, 3, 32, 32)  # enough for matrix products on maps of 2x2 pixels
    with torch.no_grad():
        map_ = model(img, mode="extract")[-1]
    assert map_.is_contiguous(memory_format=torch.channels_last)
    loader = torch.utils.data.DataLoader([dict(img=one) for one in img], batch_size=70)
    features, expected = (ExtractProcess().extract(one, loader)["feat"] for one in (model, plain))
    assert features.dtype == expected.dtype == "float32"
    difference = abs(features - expected).max(axis=1) / abs(expected).max(axis=1)
    assert difference.max() < tolerance


def test_channels_last_changes_nothing_but_the_layout() -> None:
    plain = build_algorithm(copy.deepcopy(MODEL)).double()
    other = copy.deepcopy(plain)
    accelerate(other, config(channels_last=True), LOGGER)
    views = [torch.rand(4, 3, 64, 64, dtype=torch.float64) for _ in range(2)]
    feature = other.extract_feat(views[0])[0]  # [4, 64, 2, 2]
    assert feature.is_contiguous(memory_format=torch.channels_last)
    assert not plain.extract_feat(views[0])[0].is_contiguous(memory_format=torch.channels_last)
    for model in (plain, other):
        model(views)["loss"].backward()
    for one, two in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_compiled_backbones_do_the_same_under_the_same_names() -> None:
    plain, compiled = train(), train(compile=dict(backend="eager"))
    assert list(plain) == list(compiled)
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value)


def test_the_target_backbone_is_compiled_too() -> None:
    class OnlineAndTarget(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.target = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    assert compile_backbones(OnlineAndTarget(), True) == 2
    assert compile_backbones(OnlineAndTarget(), False) == 0
    with pytest.raises(UserError, match="Linear has no backbone"):
        compile_backbones(nn.Linear(1, 1), True)


def test_a_failing_compiler_is_named() -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler here")

    model = build_algorithm(copy.deepcopy(MODEL))
    compile_backbones(model, dict(backend=broken))
    message = r"torch.compile failed .*no compiler.*set compile=False"
    with pytest.raises(UserError, match=message), run_errors():
        model([torch.rand(4, 3, 32, 32)] * 2)
    with pytest.raises(ZeroDivisionError), run_errors():
        raise ZeroDivisionError


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UserError, match="amp and fp16"):
        accelerate(nn.Linear(1, 1), config(amp={}, fp16={}), LOGGER)
    with pytest.raises(UserError, match="Linear has no mixed precision"):
        accelerate(nn.Linear(1, 1), config(amp=dict(dtype="bfloat16")), LOGGER)
    with pytest.raises(UserError, match="dtypes"):
        check_config(Config(dict(amp=dict(dtypes="bfloat16"))))


def test_a_resumed_run_has_the_same_bits(tmp_path: Path) -> None:
    settings = dict(
        amp=dict(dtype="bfloat16"),
        channels_last=True,
        checkpoint_config=dict(interval=1),
        work_dir=str(tmp_path),
    )
    whole = train(**settings)
    resumed = train(resume_from=str(tmp_path / "epoch_1.pth"), **settings)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ResNet of 4 channels on a CPU with AVX2, whatever this machine has."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr("mmselfsup.apis.training.acceleration.default_device", lambda: CPU)
    model = copy.deepcopy(MODEL)
    model["backbone"].update(stem_channels=4, base_channels=4)
    model["neck"]["in_channels"] = 32
    return model


def _layouts(model: nn.Module) -> set[bool]:
    """Return whether weights of several pixels and channels are in channels_last."""
    weights = [p for p in model.parameters() if p.dim() == 4 and min(p.shape[1:]) > 1]
    return {p.is_contiguous(memory_format=torch.channels_last) for p in weights}


def test_narrow_networks_stay_out_of_channels_last(
    narrow: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert _layouts(extraction_model(config(model=narrow), None, 0)) == {False}
    assert _layouts(extraction_model(config(model=MODEL), None, 0)) == {True}
    asked = config(channels_last=True)
    with caplog.at_level(logging.WARNING, LOGGER.name):
        accelerate(build_algorithm(copy.deepcopy(MODEL)), asked, LOGGER)
        assert caplog.text == ""
        accelerate(build_algorithm(copy.deepcopy(narrow)), asked, LOGGER)
    assert "backbone.layer2.0.downsample.0 (4 input channels, with a stride) may" in caplog.text
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert _layouts(extraction_model(config(model=narrow), None, 0)) == {True}
