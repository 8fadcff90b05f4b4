"""Devices, random state, loggers, loaders, checkpoints to resume from, images, alias tables."""

import collections
import io
import logging
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.parallel import DataContainer
from torch import nn
from tqdm import tqdm

from mmselfsup import digit_version
from mmselfsup.utils import AliasMethod, find_latest_checkpoint, get_root_logger
from mmselfsup.utils.device import batch_size, first_tensor, to_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import close_log_files
from mmselfsup.utils.misc import tensor2imgs
from mmselfsup.utils.module import module_device, set_epoch, unwrap
from mmselfsup.utils.seed import get_rng_state, rng_untouched, set_rng_state
from mmselfsup.utils.setup_env import setup_multi_processes

Point = collections.namedtuple("Point", "x y")


def draw() -> tuple[float, ...]:
    return (
        random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(),
        torch.rand(()).item(),
    )  # fmt: skip


def test_random_state_comes_back_from_a_safe_file(tmp_path: Path) -> None:
    random.gauss(0, 1)  # leaves a second value waiting, in numpy too
    np.random.randn()
    torch.save(get_rng_state(), tmp_path / "rng.pt")
    expected = draw()
    draw()
    set_rng_state(torch.load(tmp_path / "rng.pt", weights_only=True))
    assert draw() == expected


def test_block_that_leaves_random_numbers_alone() -> None:
    state = get_rng_state()
    expected = draw()
    set_rng_state(state)
    with rng_untouched():
        draw()
    assert draw() == expected


def test_batch_moves_as_a_whole() -> None:
    batch = {
        "img": [torch.zeros(3, 2), torch.zeros(3, 2)],
        "point": Point(torch.zeros(1), "name"),
        "meta": DataContainer([[{"a": 1}]], cpu_only=True),
        "stacked": DataContainer([torch.zeros(3)], stack=True),
        "text": "x",
    }
    moved = to_device(batch, torch.device("meta"))
    assert all(view.device.type == "meta" for view in moved["img"])
    assert isinstance(moved["point"], Point)
    assert moved["point"].x.device.type == "meta"
    assert moved["stacked"].device.type == "meta"
    assert moved["meta"] == [{"a": 1}]
    assert moved["text"] == "x"
    same = torch.zeros(2)
    assert to_device(same, torch.device("cpu")) is same


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        (torch.zeros(5, 3), 5),
        ({"label": torch.zeros(9), "img": [torch.zeros(4, 3)] * 2}, 4),
        ({"x": torch.zeros(6)}, 6),
        ([torch.zeros(2, 1), torch.zeros(7)], 2),
        ("text", 1),
        (torch.tensor(1.0), 1),
    ],
)
def test_batch_size(batch: Any, size: int) -> None:
    assert batch_size(batch) == size


def test_first_tensor() -> None:
    first, mask = torch.rand(2), torch.ones(2)
    for nested in (first, [first], [(first, mask), (mask, mask)], {"a": [], "b": [first]}):
        assert first_tensor(nested) is first
    assert first_tensor(["text", 3, {}]) is None


def test_unwrap() -> None:
    inner = nn.Linear(2, 2)
    assert unwrap(nn.DataParallel(inner)) is inner
    assert unwrap(inner) is inner
    assert module_device(nn.Identity()) == torch.device("cpu")


def test_each_part_of_a_loader_hears_of_the_epoch_once() -> None:
    class Part:
        def __init__(self, **parts: Any) -> None:
            self.heard: list[int] = []
            self.__dict__.update(parts)

        def set_epoch(self, epoch: int) -> None:
            self.heard.append(epoch)

    sampler, dataset = Part(), Part()
    batches = Part(sampler=sampler)
    set_epoch(Part(sampler=sampler, batch_sampler=batches, dataset=dataset), 4)
    assert sampler.heard == batches.heard == dataset.heard == [4]
    set_epoch(object(), 1)


def test_log_lines_stand_above_a_progress_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    logger = get_root_logger(tmp_path / "a.log")
    assert get_root_logger(tmp_path / "a.log") is logger
    get_root_logger(tmp_path / "b.log")
    with tqdm(total=2, file=screen) as bar:
        bar.update()
        logger.info("a line")
    close_log_files()
    assert "\r" in screen.getvalue().partition(" - mmselfsup - INFO - a line\n")[0]
    for name in ("a.log", "b.log"):
        assert (tmp_path / name).read_text().count("a line") == 1
    assert not any(isinstance(h, logging.FileHandler) for h in logger.handlers)


def test_log_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't write the log"):
        get_root_logger(tmp_path / "none" / "a.log")


def test_latest_checkpoint(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="no checkpoint"):
        assert find_latest_checkpoint(tmp_path) is None
    for name in ("epoch_9.pth", "epoch_10.pth", "best_acc_epoch_30.pth", "backbone.pth"):
        (tmp_path / name).write_text("")
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "epoch_10.pth")
    (tmp_path / "latest.pth").symlink_to("gone.pth")
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "epoch_10.pth")
    (tmp_path / "latest.pth").unlink()
    (tmp_path / "latest.pth").symlink_to("epoch_9.pth")
    assert find_latest_checkpoint(str(tmp_path)) == str(tmp_path / "latest.pth")


def test_epochs_and_iterations_are_not_compared_by_number(tmp_path: Path) -> None:
    for time, name in enumerate(("epoch_2.pth", "iter_500.pth", "iter_450.pth", "epoch_3.pth")):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time, time))
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "epoch_3.pth")
    os.utime(tmp_path / "iter_500.pth", (9, 9))
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "iter_500.pth")


def test_images_come_back() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 5)).float()
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)
    shape = (1, 3, 1, 1)
    normal = (pixels - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
    rgb = tensor2imgs(normal, mean, std, to_rgb=False)
    bgr = tensor2imgs(normal, mean, std)
    for image, reverse, expected in zip(rgb, bgr, pixels, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image, expected.permute(1, 2, 0), atol=1)
        np.testing.assert_array_equal(reverse, image[..., ::-1])
    with pytest.raises(ValueError, match=r"\(3, 4, 5\)"):
        tensor2imgs(pixels[0])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=20).filter(lambda w: sum(w) > 1e-3))
def test_alias_table_holds_the_distribution(weights: list[float]) -> None:
    probs = torch.tensor(weights, dtype=torch.float64)
    table = AliasMethod(probs)
    found = table.prob.double().clone()
    found.index_add_(0, table.alias, 1 - table.prob.double())  # what each column gives away
    expected = probs / probs.sum()
    torch.testing.assert_close(found / len(weights), expected, atol=1e-6, rtol=1e-5)
    draws = table.draw(50)
    assert draws.dtype == torch.long
    assert bool((probs[draws] > 0).all())


@pytest.mark.parametrize("probs", [[-1.0, 2.0], [0.0, 0.0], [float("nan")], [[1.0]]])
def test_alias_table_of_no_distribution(probs: Any) -> None:
    with pytest.raises(ValueError, match="probs"):
        AliasMethod(torch.tensor(probs))


@pytest.mark.parametrize("num", [-1, 0])
def test_alias_table_draws_at_least_one(num: int) -> None:
    with pytest.raises(AssertionError, match=f"at least 1, got {num}"):
        AliasMethod(torch.ones(4)).draw(num)


def test_versions_compare() -> None:
    assert digit_version("1.7.2") == (1, 7, 2, 0, 0, 0)
    order = ["0.5.0", "1.0.0.dev3", "1.0.0a1", "1.0.0b2", "1.0.0rc1", "1.0.0", "1.0.0.post1"]
    assert sorted(order, key=digit_version) == order
    assert digit_version("1.0", length=2) == (1, 0, 0, 0)


def test_process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    monkeypatch.delenv("OMP_NUM_THREADS")
    before = multiprocessing.get_start_method(allow_none=True)
    setup_multi_processes({"mp_start_method": "spawn", "data": {"workers_per_gpu": 2}})
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert multiprocessing.get_start_method() == "spawn"
    multiprocessing.set_start_method(before or "fork", force=True)
    with pytest.raises(ValueError, match="'teleport'"):
        setup_multi_processes({"mp_start_method": "teleport"})
