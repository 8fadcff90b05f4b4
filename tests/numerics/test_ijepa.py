"""I-JEPA against a slow loop; its masks, its transformer and its predictor."""

import copy
import math
from typing import Any

import pytest
import torch

from mmselfsup.models import build_algorithm, build_backbone, build_head, build_neck
from mmselfsup.models.utils.multi_block_masks import MultiBlockMasks
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, VIT

CFG = TINY["IJEPA"].cfg


def is_block(places: list[int], columns: int) -> bool:
    """Whether places fill a rectangle."""
    rows = {p // columns for p in places}
    cols = {p % columns for p in places}
    full = {r * columns + c for r in range(min(rows), max(rows) + 1)
            for c in range(min(cols), max(cols) + 1)}  # fmt: skip
    return set(places) == full and len(places) == len(full)


@pytest.mark.parametrize("grid", [(14, 14), (8, 8), (6, 12)])
def test_masks(grid: tuple[int, int]) -> None:
    torch.manual_seed(0)
    size = grid[0] * grid[1]
    masks = MultiBlockMasks(min_context=5)
    areas = []
    for _ in range(20):
        context, targets = masks.draw(3, grid)
        assert context.shape[0] == 3
        assert context.shape[1] >= 5
        assert targets.shape[:2] == (3, 4)
        areas.append(targets.shape[2] / size)
        for seen, blocks in zip(context.tolist(), targets.tolist(), strict=True):
            assert seen == sorted(set(seen)), "each place once"
            assert all(is_block(block, grid[1]) for block in blocks)
            hidden = {place for block in blocks for place in block}
            assert not hidden & set(seen)
            assert all(0 <= place < size for place in [*hidden, *seen])
    # Sides are rounded, so an area may be off by half a patch in each direction.
    side = math.sqrt(size)
    assert 0.15 - 1 / side < min(areas) <= max(areas) < 0.2 + 1 / side
    assert len(set(areas)) > 1


def test_a_whole_context_is_all_but_the_targets() -> None:
    """With one image nothing is cut, and a context block of the whole image hides nothing."""
    torch.manual_seed(0)
    context, targets = MultiBlockMasks(context_scale=(1.0, 1.0)).draw(1, (8, 8))
    assert set(context[0].tolist()) == set(range(64)) - set(targets.flatten().tolist())


def test_masks_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match="leave fewer than min_context=10 of the 4 x 4 patches"):
        MultiBlockMasks(target_scale=(0.5, 0.5)).draw(2, (4, 4))
    with pytest.raises(ArgumentError, match="target_scale must be"):
        MultiBlockMasks(target_scale=(0.2, 0.1))
    with pytest.raises(ArgumentError, match="num_targets and min_context count from 1"):
        MultiBlockMasks(num_targets=0)


@pytest.mark.parametrize("loss", ["smooth_l1", "l2"])
def test_the_loss_equals_the_loop(loss: str) -> None:
    torch.manual_seed(0)
    features = 3 * torch.randn(2, 6, 5, dtype=torch.float64)
    pred = 2 * torch.randn(2, 2, 3, 5, dtype=torch.float64)
    targets = torch.tensor([[[0, 1, 3], [2, 3, 5]], [[4, 5, 0], [1, 2, 3]]])
    total = 0.0
    for n in range(2):
        for b in range(2):
            for m in range(3):
                token = features[n, targets[n, b, m]].tolist()
                mean = sum(token) / 5
                root = math.sqrt(sum((x - mean) ** 2 for x in token) / 5 + 1e-5)
                for x, guess in zip(token, pred[n, b, m].tolist(), strict=True):
                    d = abs((x - mean) / root - guess)
                    total += d**2 if loss == "l2" else d**2 / 2 if d < 1 else d - 0.5
    got = build_head({"type": "IJEPAHead", "loss": loss})(pred, features, targets)["loss"]
    assert got.item() == pytest.approx(total / 60, rel=1e-6)
    with pytest.raises(ArgumentError, match="loss must be"):
        build_head({"type": "IJEPAHead", "loss": "l1"})


def test_the_encoder_sees_the_kept_patches_only() -> None:
    torch.manual_seed(0)
    backbone = build_backbone({**VIT, "type": "IJEPAViT"}).eval()
    backbone.init_weights()
    images = torch.rand(2, 3, 32, 32)
    kept = torch.tensor([[0, 5, 6], [1, 2, 15]])
    (seen,) = backbone(images, kept)
    assert seen.shape == (2, 3, 32)
    changed = images.clone()
    changed[0, :, 8:, :8] += 1  # patches 4, 8 and 12
    torch.testing.assert_close(backbone(changed, kept)[0], seen, rtol=0, atol=0)
    everything = torch.arange(16).expand(2, -1)
    whole = backbone(images)[0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(backbone(images, everything)[0], whole)


def test_each_block_is_predicted_by_itself() -> None:
    """A block has the same prediction alone and beside others."""
    torch.manual_seed(0)
    neck = build_neck(copy.deepcopy(CFG["neck"])).eval()
    neck.init_weights()
    tokens, context = torch.randn(2, 3, 32), torch.tensor([[0, 1, 2], [3, 4, 5]])
    targets = torch.tensor([[[6, 7], [10, 11]], [[8, 9], [12, 13]]])
    both = neck(tokens, context, targets, (4, 4))
    assert both.shape == (2, 2, 2, 32)
    for b in range(2):
        alone = neck(tokens, context, targets[:, b : b + 1], (4, 4))
        torch.testing.assert_close(alone[:, 0], both[:, b])
    # Positions tell the patches apart; another grid interpolates them.
    assert not torch.allclose(both[0, 0, 0], both[0, 0, 1])
    assert neck(tokens, context, targets, (2, 8)).shape == both.shape
    with pytest.raises(ArgumentError, match="square number"):
        build_neck({**CFG["neck"], "num_patches": 12})


def fixed(model: Any) -> Any:
    """Always the same places, whatever the number of images."""
    context = torch.tensor([0, 1, 4, 8, 12])
    targets = torch.tensor([[5, 6], [10, 11]])
    model.masks.draw = lambda n, grid: (context.expand(n, -1), targets.expand(n, -1, -1))
    return model


def test_two_halves_have_the_mean_of_the_gradients() -> None:
    """With masks given, the loss is a mean over images: two processes equal one."""
    torch.manual_seed(0)
    model = fixed(build_algorithm(copy.deepcopy(CFG)))
    model.init_weights()
    images = torch.rand(4, 3, 32, 32)
    grads = []
    for parts in ([images], images.chunk(2)):
        model.zero_grad()
        for part in parts:
            (model(part)["loss"] / len(parts)).backward()
        grads.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for one, two in zip(*grads, strict=True):
        torch.testing.assert_close(one, two)


def test_only_context_encoder_and_predictor_learn() -> None:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(CFG))
    model(torch.rand(4, 3, 32, 32))["loss"].backward()
    assert all(p.grad is None for p in model.momentum_backbone.parameters())
    unused = {"backbone.cls_token"}
    for name, param in model.named_parameters():
        if param.requires_grad and name not in unused:
            assert param.grad is not None, name
    assert model.evaluated() is model.momentum_backbone


def test_a_backbone_of_whole_images() -> None:
    with pytest.raises(ArgumentError, match="take backbone=dict\\(type='IJEPAViT'\\)"):
        build_algorithm({**CFG, "backbone": VIT})
