"""What a resume says of a changed ``adapt``: the value that is really used."""

from types import SimpleNamespace
from typing import Any

import torch
from mmcv import Config
from torch import nn

from mmselfsup.apis.training.resume import compare
from mmselfsup.core.adaptation import adapt_model
from mmselfsup.core.checkpoint import load_weights
from mmselfsup.models import build_backbone

_ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


def adapted(**options: Any) -> nn.Module:
    model = nn.Module()
    model.backbone = build_backbone(
        dict(type="VisionTransformer", arch=_ARCH, img_size=32, patch_size=16)
    )
    adapt_model(model, dict(type="lora", rank=2, **options))
    return model


def used(before: str, now: dict[str, Any]) -> dict[str, Any]:
    runner: Any = SimpleNamespace(optimizer=torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1))
    changes = compare({"meta": {"config": before}}, runner, Config(dict(adapt=now)), {})
    return {change.name: change.used for change in changes}


def test_alpha_is_that_of_the_checkpoint(tmp_path: Any) -> None:
    torch.save(adapted(alpha=4.0).state_dict(), tmp_path / "a.pth")
    model = adapted(alpha=8.0)
    load_weights(model, str(tmp_path / "a.pth"), partial=True)
    assert {float(b) for n, b in model.named_buffers() if n.endswith("lora_scale")} == {2.0}
    before = "adapt = dict(type='lora', alpha=4.0, freeze_epochs=1)"
    now = dict(type="lora", alpha=8.0, freeze_epochs=2)
    assert used(before, now) == {
        "adapt.alpha": "4.0 (of the checkpoint)",
        "adapt.freeze_epochs": 2,
    }


def test_rates_are_those_of_the_checkpoint() -> None:
    before = "adapt = dict(type='full', lr_mult=0.1)"
    assert used(before, dict(type="full", lr_mult=0.5)) == {
        "adapt.lr_mult": "0.1 (of the checkpoint)"
    }
