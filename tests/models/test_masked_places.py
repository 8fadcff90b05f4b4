"""Masks are counted on the host, and their places are those of the mask."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv.parallel import DataContainer
from torch import Tensor, nn

from mmselfsup.models import algorithms, backbones, build_algorithm, heads
from mmselfsup.models.utils.masked_places import count_masked, masked_places
from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.module import with_counts
from tests.contract.tiny_models import TINY


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_counted_places_are_those_of_the_mask(dtype: torch.dtype) -> None:
    true = torch.rand(5, 7) < 0.3
    mask = (true.long() * (255 if dtype is torch.uint8 else 1)).to(dtype)
    count = count_masked([mask])["num_masked"]
    assert count == int(true.sum())
    values = torch.rand(5, 7)
    for places in (masked_places(mask), masked_places(mask, count)):
        assert torch.equal(values[places], values[true])


@pytest.mark.parametrize("count", [0, None])
def test_a_mask_of_nothing(count: int | None) -> None:
    rows, columns = masked_places(torch.zeros(3, 4), count)
    assert rows.shape == columns.shape == (0,)


def test_what_is_no_tensor_on_the_host_is_not_counted() -> None:
    assert count_masked([torch.ones(2, 2, device="meta")]) == {}
    assert count_masked([DataContainer(torch.ones(2, 2))]) == {}


def test_a_step_of_cae_looks_for_its_places_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The masked ones and the visible ones: the encoder, the teacher and the loss share them."""
    calls: list[int] = []
    for part in (algorithms.cae, backbones.cae_vit, heads.cae_head):
        monkeypatch.setattr(
            part, "masked_places", lambda *args: calls.append(1) or masked_places(*args)
        )
    model = build_algorithm(TINY["CAE"].cfg)
    batch = TINY["CAE"].batch(4, torch.Generator().manual_seed(0))
    assert torch.isfinite(model(**with_counts(model, batch))["loss"])
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["IBOT", "DINOv2", "CAE"])
def test_containers_of_mmcv_and_views_without_masks_are_left_to_the_step(name: str) -> None:
    model = build_algorithm(TINY[name].cfg)
    batch = TINY[name].batch(4, torch.Generator().manual_seed(0))
    assert with_counts(model, batch)["num_masked"] > 0
    held: dict[str, Any] = {**batch, "img": DataContainer(batch["img"])}
    assert with_counts(model, held) is held
    plain = {"img": [[torch.rand(4, 3, 32, 32)], torch.rand(4, 3, 32, 32)]}
    with pytest.raises(ArgumentError):
        model(**with_counts(model, plain))


def test_batches_of_other_models_stay_as_they_are() -> None:
    batch = {"img": [torch.rand(2, 3, 8, 8)]}
    assert with_counts(nn.Identity(), batch) is batch
    counting: Any = SimpleNamespace(count_on_host=lambda img: {"n": len(img)})
    assert with_counts(counting, batch) == {**batch, "n": 1}
    bare: Tensor = batch["img"][0]
    assert with_counts(counting, bare) is bare
