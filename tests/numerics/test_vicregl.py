"""VICRegL against slow loops, and views that know where in the image they are."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from mmselfsup.datasets.pipelines import LocatedView
from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.losses import cell_positions, covariance_penalty, nearest_pairs
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, located_views

CFG = TINY["VICRegL"].cfg


def slow_pairs(first: list[Any], second: list[Any], count: int) -> list[tuple[int, int]]:
    def gap(i: int, j: int) -> float:
        return sum((a - b) ** 2 for a, b in zip(first[i], second[j], strict=True))

    pairs = [(i, min(range(len(second)), key=lambda j, i=i: gap(i, j))) for i in range(len(first))]
    return sorted(pairs, key=lambda pair: gap(*pair))[:count]


def slow_vicreg(x: np.ndarray, y: np.ndarray, weights: tuple[float, float, float]) -> float:
    """The criterion of [N, D] with numpy."""
    total = weights[0] * ((x - y) ** 2).mean()
    for z in (x, y):
        cov = np.cov(z.T)
        total += weights[1] * np.maximum(0, 1 - np.sqrt(np.diag(cov) + 1e-4)).mean()
        total += weights[2] * (cov**2).sum() / len(cov)
        total -= weights[2] * (np.diag(cov) ** 2).sum() / len(cov)
    return float(total)


def test_the_loss_equals_the_loop() -> None:
    torch.manual_seed(0)
    weights = (25.0, 10.0, 2.0)
    head = build_head(
        {
            "type": "VICRegLHead",
            "alpha": 0.6,
            "num_matches": 2,
            **dict(
                zip(("invariance_weight", "variance_weight", "covariance_weight"), weights,
                    strict=True)
            ),
        }
    )  # fmt: skip
    z = [torch.randn(5, 4, dtype=torch.float64) for _ in range(2)]
    local = [0.5 * torch.randn(5, 4, 3, dtype=torch.float64) for _ in range(2)]
    place = [torch.rand(5, 4, 2, dtype=torch.float64) for _ in range(2)]
    got = head(*z, *local, *place)
    whole = slow_vicreg(z[0].numpy(), z[1].numpy(), weights)
    assert got["loss_global"].item() == pytest.approx(0.6 * whole, rel=1e-9)
    for name, by in (("loss_location", place), ("loss_feature", local)):
        total = 0.0
        for own, other in ((0, 1), (1, 0)):
            slots = [slow_pairs(by[own][n].tolist(), by[other][n].tolist(), 2) for n in range(5)]
            x, y = (
                np.array([[local[side][n, slots[n][k][end]].tolist() for k in range(2)]
                          for n in range(5)])
                for end, side in enumerate((own, other))
            )  # fmt: skip
            # Invariance and variance are means, so they are those of all slots; covariances are
            # those of each slot.
            per_slot = [slow_vicreg(x[:, k], y[:, k], weights) for k in range(2)]
            total += sum(per_slot) / 2 / 2
        assert got[name].item() == pytest.approx(0.4 * total, rel=1e-9), name


def test_slots_have_their_own_covariances() -> None:
    z = torch.randn(6, 3, 4, dtype=torch.float64)
    wanted = torch.stack([covariance_penalty(z[:, k]) for k in range(3)]).mean()
    torch.testing.assert_close(covariance_penalty(z), wanted)


def test_the_closest_pairs() -> None:
    first = torch.tensor([[[0.0, 0.0], [5.0, 0.0], [9.0, 9.0]]])
    second = torch.tensor([[[5.5, 0.0], [0.0, 0.1], [50.0, 50.0]]])
    places, others = nearest_pairs(first, second, 2)
    assert places.tolist() == [[0, 1]]
    assert others.tolist() == [[1, 0]]
    for count in (0, 4):
        with pytest.raises(ArgumentError, match="num_matches to 1 to 3"):
            nearest_pairs(first, second, count)


def test_positions_are_not_rounded_by_autocast() -> None:
    way = torch.tensor([[[700.0, 0.0, 13.25], [0.0, -700.0, 713.75]]])
    wanted = cell_positions(way, 7, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = cell_positions(way, 7, 7)
    assert got.dtype == torch.float32
    assert torch.equal(got, wanted)
    torch.testing.assert_close(wanted[0, 0], torch.tensor([63.25, 663.75]))


@pytest.mark.parametrize("changes", [
    {}, {"horizontal_flip": 1.0}, {"vertical_flip": 1.0}, {"quarter_turn": 1.0},
    {"horizontal_flip": 1.0, "vertical_flip": 1.0, "quarter_turn": 1.0},
    {"horizontal_flip": 1.0, "quarter_turn": 1.0},
])  # fmt: skip
def test_a_view_knows_where_it_is(changes: dict[str, float]) -> None:
    """Pixels that hold their own coordinates are found where the map says."""
    torch.manual_seed(0)
    rows, columns = np.mgrid[0:120, 0:200]
    pixels = np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8)
    view = LocatedView(size=16, transforms=[], scale=(0.3, 0.6),
                       **{"horizontal_flip": 0.0, **changes})  # fmt: skip
    for _ in range(5):
        image, way = view(pixels)
        assert image.shape == (16, 16, 3)
        x, y = cell_positions(way[None], 16, 16)[0].unflatten(0, (16, 16)).unbind(2)
        # Resizing averages over a few pixels; those at the border over fewer.
        inner = (slice(2, -2), slice(2, -2))
        assert np.abs(image[..., 0] - (x.numpy() - 0.5))[inner].max() < 1.5
        assert np.abs(image[..., 1] - (y.numpy() - 0.5))[inner].max() < 1.5


def test_all_parts_learn_and_masks_of_views_are_checked() -> None:
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(CFG))
    batch = located_views(6, torch.Generator().manual_seed(1))
    losses = model(**batch)
    sum(losses[k] for k in losses if "loss" in k).backward()
    assert all(p.grad is not None for p in model.parameters())
    images = [view[0] for view in batch["img"]]
    with pytest.raises(ArgumentError, match="let LocatedView be the only transform"):
        model(images)
    with pytest.raises(ArgumentError, match="takes 2 views"):
        model(batch["img"][:1])
    with pytest.raises(ArgumentError, match="alpha must lie in"):
        build_head({"type": "VICRegLHead", "alpha": 2.0})
    with pytest.raises(ArgumentError, match="needs a local_neck"):
        build_algorithm({k: v for k, v in CFG.items() if k != "local_neck"})
    with pytest.raises(ArgumentError, match="quarter_turn must be in"):
        LocatedView(size=8, transforms=[], quarter_turn=2.0)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("moving", [dict(type="RandomHorizontalFlip"), dict(type="Resize", size=4)])
def test_a_located_view_is_not_moved_afterwards(nested: bool, moving: dict[str, Any]) -> None:
    """The map would go on without an error, and match other places of the two views."""
    group = dict(type="RandomAppliedTrans", transforms=[moving])
    steps = [dict(type="RandomGrayscale"), group if nested else moving]
    with pytest.raises(ArgumentError, match=rf"LocatedView: {moving['type']} among its transforms"):
        LocatedView(size=8, transforms=steps)
