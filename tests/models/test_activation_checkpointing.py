"""``with_cp``: the same losses and gradients, from activations that are computed a second time."""

import copy

import pytest
import torch

from mmselfsup.models import build_algorithm, build_backbone
from mmselfsup.models.utils.block_parts import run_block
from tests.contract.tiny_models import TINY


def gradients(name, saving):
    """Return the loss, the gradients, and how often a block of each part ran."""
    cfg = copy.deepcopy(TINY[name].cfg)
    for part in ("backbone", "neck") if saving else ():
        cfg[part]["with_cp"] = True
    torch.manual_seed(0)
    model = build_algorithm(cfg)
    model.init_weights()
    TINY[name].prepare(model)
    model.train()
    calls = {"backbone": 0, "neck": 0}
    containers = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    inside = {id(block) for container in containers for block in container}
    for part in calls:
        for block in getattr(model, part).modules():
            if id(block) in inside:
                block.register_forward_pre_hook(lambda *_, p=part: calls.update({p: calls[p] + 1}))
    torch.manual_seed(1)
    batch = TINY[name].batch(2, torch.Generator().manual_seed(0))
    loss, _ = model._parse_losses(model(**batch))
    loss.backward()
    return loss, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}, calls


@pytest.mark.parametrize("name", ["MAE", "IJEPA", "CAE"])
def test_decoders_of_masked_methods(name):
    loss, expected, once = gradients(name, saving=False)
    again, got, twice = gradients(name, saving=True)
    assert torch.equal(loss, again)
    assert set(expected) == set(got)
    for key, gradient in expected.items():
        assert torch.equal(gradient, got[key]), key
    assert twice == {part: 2 * count for part, count in once.items()}
    assert min(once.values()) > 0


def test_nothing_is_computed_again_without_gradients():
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        out = run_block(layer, torch.ones(1, 2), again=True)
    assert out.grad_fn is None


@pytest.mark.parametrize(
    "config",
    [
        dict(type="ResNet", depth=18, stem_channels=8, base_channels=8),
        dict(type="torchvision.resnet18", width_per_group=64),
        dict(type="timm.resnet10t", norm_cfg=dict(type="SyncBN")),
        dict(type="timm.mobilenetv3_small_050"),
        dict(type="mmcls.ResNet", depth=18, stem_channels=8, base_channels=8),
        dict(type="mmcls.MobileNetV2", widen_factor=0.1),
        dict(type="ResNeXt", depth=50, groups=2, width_per_group=2, base_channels=4),
    ],
    ids=lambda config: config["type"],
)
def test_running_statistics_count_each_batch_once(config):
    found = []
    for saving in (False, True):
        torch.manual_seed(0)
        backbone = build_backbone(dict(config, with_cp=saving))
        backbone.train()  # mmcls's returns None
        images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        for _ in range(2):
            torch.manual_seed(1)
            copy.deepcopy(backbone)(images)[-1].square().sum().backward()  # copies behave alike
            backbone(images)[-1].square().sum().backward()
        found.append(backbone.state_dict())
        assert {m.momentum for m in backbone.modules() if hasattr(m, "running_mean")} == {0.1}
    for name, tensor in found[0].items():
        if "running" in name or "num_batches" in name:
            assert torch.equal(tensor, found[1][name]), name


def test_running_statistics_of_an_mmcls_classifier():
    found = []
    for saving in (False, True):
        torch.manual_seed(0)
        config = dict(type="mmcls.ResNet", depth=18, stem_channels=8, base_channels=8)
        head = dict(type="LinearClsHead", num_classes=2, in_channels=64)
        model = build_algorithm(
            dict(
                type="MMClsImageClassifierWrapper", backbone=dict(config, with_cp=saving),
                neck=dict(type="GlobalAveragePooling"), head=head,
            )
        )  # fmt: skip
        model.train()
        images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        loss, _ = model._parse_losses(model(images, label=torch.tensor([0, 1, 0, 1])))
        loss.backward()
        found.append({n: t for n, t in model.state_dict().items() if "running" in n})
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
