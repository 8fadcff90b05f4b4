"""A classifier with metadata: training, test-time augmentation, half precision, weights."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mmselfsup.core.checkpoint import load_weights, save_checkpoint
from mmselfsup.models import build_algorithm
from mmselfsup.models.algorithms.classification import augmented_views
from mmselfsup.models.utils import ExtractProcess
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import SEXES, SITES, encode_patient

BACKBONE = dict(
    type="ResNet", depth=18, stem_channels=4, base_channels=4, out_indices=[4],
    norm_cfg=dict(type="SyncBN"),
)  # fmt: skip
HEAD = dict(
    type="MetadataClsHead", with_avg_pool=True, in_channels=32, num_classes=3,
    metadata_channels=[8], fusion_channels=16,
)  # fmt: skip


def build(head: dict[str, Any] | None = None, **options: Any) -> Any:
    torch.manual_seed(0)
    cfg = dict(type="Classification", backbone=BACKBONE, head={**HEAD, **(head or {})}, **options)
    model = build_algorithm(cfg)
    model.init_weights()
    return model


def batch(n: int = 6) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    people = [encode_patient(10 * i, SITES[i % 8], SEXES[i % 2]) for i in range(n)]
    return dict(
        img=torch.rand(n, 3, 32, 40),
        label=torch.arange(n) % 3,
        idx=torch.arange(n),
        patient=torch.stack([torch.from_numpy(code) for code in people]),
    )


def test_train_and_test() -> None:
    model, data = build(), batch()
    out = model.train_step(data)
    assert list(out["log_vars"]) == ["loss", "acc"]
    out["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    torch.nn.init.normal_(model.head.fc_cls.weight)
    scores = model(**data, mode="test")["head4"]
    assert scores.shape == (6, 3)
    others = model(**{**data, "patient": data["patient"].flip(0)}, mode="test")["head4"]
    assert not torch.allclose(scores, others)


@torch.no_grad()
def test_test_time_augmentation_keeps_the_patient() -> None:
    data = batch()
    plain, augmented = build().eval(), build(test_cfg=dict(augment="dihedral")).eval()
    for model in (plain, augmented):
        torch.manual_seed(2)
        torch.nn.init.normal_(model.head.fc_cls.weight)
    views = augmented_views(data["img"], "dihedral")
    slow = [plain(**{**data, "img": view}, mode="test")["head4"].softmax(dim=1) for view in views]
    found = augmented(**data, mode="test")["head4"]
    torch.testing.assert_close(found, torch.stack(slow).mean(dim=0))


@torch.no_grad()
def test_features_are_those_of_the_image() -> None:
    model, data = build().eval(), batch()
    features = ExtractProcess().extract_batch(model, **data)["feat"]
    assert features.shape == (6, 32)
    without = {key: value for key, value in data.items() if key != "patient"}
    torch.testing.assert_close(features, ExtractProcess().extract_batch(model, **without)["feat"])


@pytest.mark.parametrize("how", ["amp", "fp16"])
def test_half_precision(how: str) -> None:
    calm = dict(dropout=0.0, missing_prob=0.0)
    full, half, data = build(calm), build(calm), batch()
    if how == "amp":
        half.amp_dtype = torch.bfloat16
    else:
        half.fp16_enabled = True
    losses = [model.train_step(data)["loss"] for model in (full, half)]
    assert losses[1].dtype is torch.float32
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.05)
    losses[1].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in half.parameters())
    assert half.eval()(**data, mode="test")["head4"].dtype is torch.float32


def test_other_heads_let_the_patient_pass() -> None:
    data = batch()
    cfg = dict(type="ClsHead", with_avg_pool=True, in_channels=32, num_classes=3)
    model = build_algorithm(dict(type="Classification", backbone=BACKBONE, head=cfg))
    without = {key: value for key, value in data.items() if key != "patient"}
    assert torch.equal(model.train_step(data)["loss"], model.train_step(without)["loss"])
    names = [name for name in model.state_dict() if name.startswith("head")]
    assert names == ["head.fc_cls.weight", "head.fc_cls.bias"]


def test_weights(tmp_path: Path) -> None:
    model = build()
    names = [name for name in model.state_dict() if name.startswith("head")]
    assert names == [
        f"head.{layer}.{kind}"
        for layer in ("fc_cls", "metadata_net.0", "metadata_net.1", "fusion.0", "fusion.1")
        for kind in ("weight", "bias")
    ]
    torch.nn.init.normal_(model.head.fc_cls.weight)
    save_checkpoint(model, str(tmp_path / "whole.pth"))
    again = build()
    report = load_weights(again, str(tmp_path / "whole.pth"))
    assert not report.missing
    data = batch()
    scores = [m.eval()(**data, mode="test")["head4"] for m in (model, again)]
    assert torch.equal(*scores)

    torch.save({"state_dict": model.backbone.state_dict()}, tmp_path / "backbone.pth")
    fresh = build()
    before = fresh.head.metadata_net[0].weight.clone()
    report = load_weights(fresh, str(tmp_path / "backbone.pth"))
    assert all(name.startswith("head.") for name in report.missing)
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(fresh.backbone.state_dict()[name], value), name
    assert torch.equal(fresh.head.metadata_net[0].weight, before)


def test_mistakes() -> None:
    data = batch()
    del data["patient"]
    with pytest.raises(UserError, match="MetadataClsHead needs age, site and sex"):
        build().train_step(data)
    mixing = dict(augments=dict(type="BatchMixup", alpha=0.8, prob=1.0))
    with pytest.raises(ValueError, match="mixes images, but not the metadata of MetadataClsHead"):
        build(train_cfg=mixing)
