"""Where the projector of a method is found, and what comes out of it."""

from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.evaluation.collapse import find_projector, project
from mmselfsup.models import build_algorithm
from tests.contract.tiny_models import TINY, VIT


class Neck(nn.Module):
    """Averages over all positions, takes the first two channels."""

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        return [x[0].mean((2, 3))[:, :2], x[0]]


class WithNeck(nn.Module):
    """As SimCLR and SimSiam."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = Neck()


class WithTarget(nn.Module):
    """As MoCo and BYOL."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.online = nn.Sequential(*parts)

    def momentum_pairs(self) -> list[Any]:
        return [(self.online, self.online)]


def test_neck_of_its_own_or_behind_the_online_backbone() -> None:
    features = torch.rand(3, 4, 5, 5)
    target = WithTarget(nn.Identity(), Neck())
    assert find_projector(target) is target.online[-1]
    for model in (WithNeck(), target):
        projected = project(model, [features.bfloat16()])
        assert projected is not None
        assert projected.dtype == torch.float32
        torch.testing.assert_close(projected, features.mean((2, 3))[:, :2], atol=0.01, rtol=0.01)


def test_no_projector() -> None:
    for model in (nn.Identity(), WithTarget(nn.Identity())):
        assert find_projector(model) is None
        assert project(model, [torch.rand(2, 3, 4, 4)]) is None


def test_features_of_a_transformer_with_a_class_token_reach_the_neck_of_swav() -> None:
    """A map and a class token are one stage, not two; SwAV's neck takes a list for each size."""
    torch.manual_seed(0)
    cfg = dict(TINY["SwAV"].cfg)
    neck = dict(type="SwAVNeck", in_channels=32, hid_channels=0, out_channels=16)
    head = dict(type="SwAVHead", feat_dim=16, num_crops=[2], num_prototypes=20)
    for with_token in (True, False):
        token = dict(with_cls_token=with_token, output_cls_token=with_token)
        model: Any = build_algorithm({**cfg, "backbone": VIT | token, "neck": neck, "head": head})
        model.eval()
        views = torch.rand(2, 3, 3, 32, 32).unbind()
        with torch.no_grad():
            wanted = model.project(list(views))  # [2, 3, 16], as in a training
            projected = [project(model, model.extract_feat(view)) for view in views]
        for found, right in zip(projected, wanted, strict=True):
            assert found is not None
            torch.testing.assert_close(found, right)
