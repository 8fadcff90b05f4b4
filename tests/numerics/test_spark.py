"""SparK: masked convolutional networks against slow loops, its decoder and its loss."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from mmselfsup.models import build_algorithm, build_backbone, build_neck
from mmselfsup.models.utils import SyncBatchNorm
from mmselfsup.models.utils.masking import patchify
from mmselfsup.models.utils.visible_places import VisiblePlaces, fill_hidden, see_places
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import RESNET, TINY

CFG = TINY["SparK"].cfg
MASK = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]], [[[0.0, 1.0], [0.0, 0.0]]]])  # [2, 1, 2, 2]


def model(seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    built = build_algorithm(copy.deepcopy({**CFG, **changes}))
    built.init_weights()
    return built


def test_batch_norm_takes_visible_places_only() -> None:
    torch.manual_seed(0)
    norm, visible = SyncBatchNorm(3).double(), VisiblePlaces()
    norm.visible = visible
    nn.init.uniform_(norm.weight, 0.5, 2)
    nn.init.uniform_(norm.bias, -1, 1)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    with visible.only(MASK.double()):
        y = norm(x)
    seen = MASK.repeat_interleave(2, 2).repeat_interleave(2, 3).bool()[:, 0]  # [2, 4, 4]
    for c in range(3):
        rows = [x[n, c, i, j].item() for n in range(2) for i in range(4) for j in range(4)
                if seen[n, i, j]]  # fmt: skip
        mean = sum(rows) / len(rows)
        squares = sum((r - mean) ** 2 for r in rows)
        root = (squares / len(rows) + norm.eps) ** 0.5
        wanted = (x[:, c] - mean) / root * norm.weight[c] + norm.bias[c]
        torch.testing.assert_close(y[:, c][seen], wanted[seen])
        assert not y[:, c][~seen].any()
        assert norm.running_mean[c].item() == pytest.approx(0.1 * mean, rel=1e-6)
        running = 0.9 + 0.1 * squares / (len(rows) - 1)
        assert norm.running_var[c].item() == pytest.approx(running, rel=1e-6)
    # The gradient is that of batch normalisation of the visible rows.
    weights = torch.randn_like(y)
    (got,) = torch.autograd.grad((y * weights).sum(), x)
    rows = x.permute(0, 2, 3, 1)[seen].detach().requires_grad_()
    plain = nn.BatchNorm1d(3).double()
    plain.load_state_dict(dict(norm.state_dict()))
    (plain(rows) * weights.permute(0, 2, 3, 1)[seen]).sum().backward()
    torch.testing.assert_close(got.permute(0, 2, 3, 1)[seen], rows.grad)
    # Whole images, and evaluation.
    torch.testing.assert_close(norm(x), nn.functional.batch_norm(
        x, None, None, norm.weight, norm.bias, True))  # fmt: skip
    norm.eval()
    whole = norm(x)
    with visible.only(MASK.double()):
        torch.testing.assert_close(norm(x), whole * seen[:, None])


def test_hidden_pixels_change_nothing() -> None:
    """The features of visible places don't depend on hidden pixels, and hidden places stay 0."""
    spark = model()
    images = torch.rand(2, 3, 32, 32)
    changed = torch.where(
        MASK.repeat_interleave(16, 2).repeat_interleave(16, 3).bool(), images, images + 5
    )
    with spark.visible.only(MASK):
        one = spark.backbone(images * spark.visible.at(images))
        two = spark.backbone(changed * spark.visible.at(images))
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        hidden = MASK.repeat_interleave(a.shape[2] // 2, 2).repeat_interleave(a.shape[3] // 2, 3)
        assert not (a * (1 - hidden)).any()
        assert a.any()


def test_convolutions_equal_a_loop_over_visible_places() -> None:
    """At visible places a layer is the convolution of the input with zeros at hidden ones."""
    torch.manual_seed(0)
    conv, visible = nn.Conv2d(2, 3, 3, padding=1).double(), VisiblePlaces()
    see_places(nn.Sequential(conv), visible)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    seen = MASK.repeat_interleave(2, 2).repeat_interleave(2, 3).double()
    with visible.only(MASK.double()):
        y = conv(x * seen)
    for n in range(2):
        for i in range(4):
            for j in range(4):
                wanted = conv.bias.detach().clone() * seen[n, 0, i, j]
                for k in range(-1, 2):
                    for m in range(-1, 2):
                        a, b = i + k, j + m
                        if seen[n, 0, i, j] and 0 <= a < 4 and 0 <= b < 4 and seen[n, 0, a, b]:
                            wanted += conv.weight[:, :, k + 1, m + 1] @ x[n, :, a, b]
                torch.testing.assert_close(y[n, :, i, j], wanted)


def test_the_loss_equals_the_loop() -> None:
    spark = model().double()
    spark.draw_mask = lambda n, patches, device: 1 - MASK.flatten(1).double()
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    loss = spark(images)["loss"]
    spark = model().double()
    spark.draw_mask = lambda n, patches, device: 1 - MASK.flatten(1).double()
    pred, mask = spark.predict(images)
    total, count = 0.0, 0
    for n in range(2):
        for p in range(4):
            if not mask[n, p]:
                continue
            true, guess = (patchify(x, 16)[n, p] for x in (images, pred))
            normalised = (true - true.mean()) / (true.var() + 1e-6).sqrt()
            total += float((guess - normalised).square().mean())
            count += 1
    assert count == 4
    assert loss.item() == pytest.approx(total / count, rel=1e-9)


def test_whole_images_are_seen_by_the_ordinary_network() -> None:
    spark = model().eval()
    plain = build_backbone(RESNET | {"strides": (1, 2, 2, 1)}).eval()
    plain.load_state_dict(spark.backbone.state_dict())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(spark.extract_feat(images)[-1], plain(images)[-1])
    spark.train()
    spark(images)
    spark.eval()
    assert spark.visible.mask is None
    assert len(spark.extract_feat(images)) == 1


def test_given_weights_keep_their_names() -> None:
    """Those of an ordinary ResNet, as ``load_from`` gives them."""
    torch.manual_seed(1)
    given = build_backbone(RESNET)
    spark = model()
    spark.backbone.load_state_dict(given.state_dict())
    spark(torch.rand(4, 3, 32, 32))["loss"].backward()
    missing = [name for name, p in spark.named_parameters() if p.grad is None]
    assert not missing


def test_hidden_places_get_the_mask_embedding() -> None:
    x, token = torch.rand(2, 3, 2, 2), torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    filled = fill_hidden(x, MASK, token)
    torch.testing.assert_close(filled, x * MASK + token * (1 - MASK))


def test_reconstruction() -> None:
    spark = model().eval()
    images = torch.rand(2, 3, 32, 32)
    out = spark.reconstruct(images)
    assert out.output.shape == images.shape
    assert out.mask.mean().item() == pytest.approx(0.5)
    torch.testing.assert_close(out.masked, images * (1 - out.mask))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask_ratio": 1.0}, "mask_ratio must be at least 0 and less than 1"),
        ({"backbone": {**CFG["backbone"], "with_cp": True}}, "exclude with_cp=True"),
        ({"backbone": {"type": "timm.resnet10t", "with_cp": True}}, "exclude with_cp=True"),
        ({"backbone": {**CFG["backbone"], "norm_cfg": {"type": "GN", "num_groups": 2}}},
         "only batch normalisation"),
    ],
)  # fmt: skip
def test_arguments(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        model(**changes)


def test_maps_that_do_not_fit() -> None:
    images = torch.rand(2, 3, 32, 32)
    for bad, message in (
        ({"strides": (1, 2, 2, 2)}, "does not consist of 2 x 2 patches"),
        ({"out_indices": (2, 4)}, "in_channels for 3 scales, got 2 maps"),
        ({"out_indices": (2, 3, 4), "base_channels": 2}, "each of the backbone's out_indices"),
    ):
        neck = CFG["neck"]
        if "base_channels" in bad:
            bad = {"out_indices": (2, 3, 4)}
            neck = {**neck, "in_channels": [8, 16, 32]}
        spark = model(backbone={**CFG["backbone"], **bad}, neck=neck)
        with pytest.raises(ArgumentError, match=message):
            spark(images)
    for bad, message in (
        ({"patch_size": 12}, "patch_size must be a power of 2"),
        ({"in_channels": [1] * 5}, "in_channels must name 1 to 4 scales"),
    ):
        with pytest.raises(ArgumentError, match=message):
            build_neck({**CFG["neck"], **bad})
