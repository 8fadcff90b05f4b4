"""Test-time augmentation."""

from typing import Any

import pytest
import torch

from mmselfsup.models import build_algorithm
from mmselfsup.models.algorithms.classification import VIEWS, augmented_views


def model(**options: Any) -> Any:
    torch.manual_seed(0)
    net = build_algorithm(
        dict(
            type="Classification",
            backbone=dict(
                type="ResNet", depth=18, in_channels=3, stem_channels=4, base_channels=4,
                out_indices=[4], norm_cfg=dict(type="BN"),
            ),
            head=dict(type="ClsHead", with_avg_pool=True, in_channels=32, num_classes=3),
            **options,
        )
    )  # fmt: skip
    return net.eval()


@pytest.mark.parametrize("kind", VIEWS)
def test_views_are_different_and_complete(kind: str) -> None:
    img = torch.arange(2 * 3 * 5 * 5).float().view(2, 3, 5, 5)
    views = list(augmented_views(img, kind))
    assert len(views) == VIEWS[kind]
    assert torch.equal(views[0], img)
    assert len({tuple(view.flatten().tolist()) for view in views}) == len(views)
    if kind == "dihedral":  # a group: turning the views gives the same views
        turned = {tuple(torch.rot90(view, 1, (-2, -1)).flatten().tolist()) for view in views}
        assert turned == {tuple(view.flatten().tolist()) for view in views}


@torch.no_grad()
def test_mean_of_the_probabilities() -> None:
    img = torch.rand(3, 3, 32, 40)
    plain, augmented = model(), model(test_cfg=dict(augment="dihedral"))
    (found,) = augmented(img, mode="test").values()
    views = augmented_views(img, "dihedral")
    slow = sum(plain(view, mode="test")["head4"].softmax(dim=1) for view in views) / 8
    torch.testing.assert_close(found, slow)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    turned = augmented(torch.rot90(img, 1, (-2, -1)).flip(-1), mode="test")["head4"]
    torch.testing.assert_close(turned, found)  # the answer doesn't depend on the camera's turn
    assert plain.state_dict().keys() == augmented.state_dict().keys()


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="must be one of flip, flips, dihedral, got 'rotate'"):
        model(test_cfg=dict(augment="rotate"))
