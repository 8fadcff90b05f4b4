"""Accuracy, Sobel edges, feature extraction."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from mmcv.utils import Registry
from torch import nn
from torch.utils.data import DataLoader

from mmselfsup.models.utils import (
    Accuracy,
    ExtractProcess,
    GatherLayer,
    MultiExtractProcess,
    Sobel,
    SyncBatchNorm,
    accuracy,
)
from mmselfsup.utils.errors import UserError


def test_accuracy_in_percent():
    pred = torch.tensor([[0.1, 0.5, 0.4], [0.8, 0.1, 0.1], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3]])
    target = torch.tensor([2, 0, 0, 1])
    top1, top2 = accuracy(pred, target, topk=(1, 2))
    assert top1.tolist() == [50.0]
    assert top2.tolist() == [75.0]
    assert accuracy(pred, target).tolist() == [50.0]
    assert Accuracy((1, 9))(pred, target)[1].tolist() == [100.0]  # more than there are classes
    with pytest.raises(TypeError, match="'1'"):
        accuracy(pred, target, topk="1")


def test_sobel_against_finite_differences():
    x = torch.rand(2, 3, 6, 7)
    gray = torch.nn.functional.pad(x.mean(dim=1), (1, 1, 1, 1))  # [2, 8, 9]
    dx = gray[:, :, :-2] - gray[:, :, 2:]
    dy = gray[:, :-2] - gray[:, 2:]
    horizontal = dx[:, :-2] + 2 * dx[:, 1:-1] + dx[:, 2:]
    vertical = dy[:, :, :-2] + 2 * dy[:, :, 1:-1] + dy[:, :, 2:]
    sobel = Sobel()
    assert torch.allclose(sobel(x), torch.stack([horizontal, vertical], dim=1), atol=1e-5)
    assert not any(p.requires_grad for p in sobel.parameters())


def test_gather_layer_alone_is_the_tensor_itself():
    x = torch.rand(3, 2, requires_grad=True)
    (y,) = GatherLayer.apply(x)
    y.sum().backward()
    assert torch.equal(x, y)
    assert torch.equal(x.grad, torch.ones(3, 2))


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2), (4, 3, 2, 2)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_sync_bn_alone_is_batch_normalisation(shape, momentum):
    sync = SyncBatchNorm(3, momentum=momentum)
    plain = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}
    bn = plain[len(shape)](3, momentum=momentum)
    assert list(sync.state_dict()) == list(torch.nn.SyncBatchNorm(3).state_dict())
    for _ in range(2):
        x = torch.rand(shape)
        assert torch.equal(sync(x), bn(x))
    assert torch.equal(sync.running_var, bn.running_var)
    with pytest.raises(ValueError, match="got 1"):
        sync(torch.rand(3))


def test_the_fused_layer_of_torch_accepts_ours():
    """On GPUs torch's forward runs with our object; alone it runs on a CPU too."""
    layer, x = SyncBatchNorm(3), torch.rand(4, 3, 2)
    expected = torch.nn.BatchNorm1d(3)(x)
    assert torch.equal(torch.nn.SyncBatchNorm.forward(layer, x), expected)
    assert not isinstance(layer, torch.nn.SyncBatchNorm)  # DistributedDataParallel refuses on CPU


class Model(torch.nn.Module):
    def forward(self, img, mode, **kwargs):
        assert mode == "extract"
        return [img.repeat(1, c // 3 + 1, 1, 1)[:, :c] for c in (64, 256)]


class Images(torch.utils.data.Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return {"img": torch.full((3, 12, 12), float(i)), "idx": i}


def test_extract_process_keeps_the_order():
    loader = DataLoader(Images(), batch_size=2)
    feat = ExtractProcess().extract(Model(), loader)["feat"]
    assert feat.shape == (5, 256)
    np.testing.assert_allclose(feat[:, 0], np.arange(5.0), rtol=1e-6)


def test_multi_extract_process_names_stages_from_one():
    loader = DataLoader(Images(), batch_size=2)
    process = MultiExtractProcess(pool_type="adaptive", layer_indices=(0, 1))
    feats = process.extract(Model(), loader)
    assert {k: v.shape for k, v in feats.items()} == {"feat1": (5, 9216), "feat2": (5, 9216)}


def test_extract_process_with_the_arguments_of_v050():
    loader = DataLoader(Images(), batch_size=2)
    process = ExtractProcess(pool_type="adaptive", layer_indices=(0, 1))
    assert set(process.extract(Model(), loader)) == {"feat1", "feat2"}
    assert ExtractProcess(pool_type="specified").layer_indices == (0, 1, 2, 3, 4)
    for wrong in (dict(layer_indices=(-1,)), dict(pool_type="other"), dict(backbone="resnet18")):
        with pytest.raises(AssertionError):
            ExtractProcess(**wrong)


def test_res_layer_extra_norm_needs_mmdet():
    pytest.importorskip("mmcv")
    from mmselfsup.models.utils import ResLayerExtraNorm

    try:
        import mmdet  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="install mmdet"):
            ResLayerExtraNorm(depth=50)


def test_res_layer_extra_norm_normalises_the_stage(monkeypatch):
    """With a stand-in for mmdet's class, which has the same attributes."""

    class ResLayer(nn.Module):
        def __init__(self, depth, stage=3, norm_cfg={"type": "BN"}):  # noqa: B006
            super().__init__()
            self.stage, self.norm_cfg = stage, norm_cfg
            self.layer4 = nn.Conv2d(8, 64 * 2**stage * 4, 1)

        def forward(self, x):
            return self.layer4(x)

    names = (
        "mmdet",
        "mmdet.models",
        "mmdet.models.roi_heads",
        "mmdet.models.roi_heads.shared_heads",
    )
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    builder = ModuleType("mmdet.models.builder")
    builder.SHARED_HEADS = Registry("shared head")
    layer = ModuleType("mmdet.models.roi_heads.shared_heads.res_layer")
    layer.ResLayer = ResLayer
    for module in (builder, layer):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = importlib.util.find_spec("mmselfsup.models.utils.res_layer_extra_norm")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    head = builder.SHARED_HEADS.get("ResLayerExtraNorm")(depth=50)
    out = head(torch.rand(4, 8, 3, 3))
    assert out.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert "norm.weight" in head.state_dict()
