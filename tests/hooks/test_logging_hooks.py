"""What the log, TensorBoard, the picture of views and the progress bar show."""

import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from mmcv.runner import HOOKS
from mmcv.runner import TextLoggerHook as MMCVTextLoggerHook
from PIL import Image
from torchvision.transforms import Compose, Normalize

from mmselfsup.apis.training.hooks import register_default_hooks
from mmselfsup.core.hooks import (
    DistOptimizerHook,
    ProgressBarHook,
    TextLoggerHook,
    TrainingProgressHook,
    TrainingShareHook,
)
from mmselfsup.core.hooks.logging_hooks import tensorboard_writer
from mmselfsup.core.hooks.views_image_hook import split_views, to_display, views_picture
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.json_log import curve, read_json_log, read_log

Make = Callable[..., Any]
LOG_CONFIG = dict(interval=2, hooks=[dict(type="TextLoggerHook")])


def run(runner: Any, loader: Any, **hooks: Any) -> None:
    runner.register_training_hooks(
        lr_config=dict(policy="CosineAnnealing", min_lr=1e-9),
        optimizer_config=DistOptimizerHook(),
        log_config=LOG_CONFIG,
        **hooks,
    )
    register_default_hooks(runner, LOG_CONFIG)
    runner.run([loader], [("train", 1)])


def json_lines(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob("*.log.json")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_json_lines(tmp_path: Path, make_runner: Make, make_loader: Make) -> None:
    run(make_runner(epochs=2, lr=1e-6), make_loader(length=16))
    lines = [line for line in json_lines(tmp_path) if line.get("mode") == "train"]
    assert [(line["epoch"], line["iter"]) for line in lines] == [(1, 2), (1, 4), (2, 2), (2, 4)]
    for line in lines:
        assert 0 < line["lr"] <= 1e-6, "not rounded to 0"
        assert line["grad_norm"] > 0
        assert line["loss"] > 0
        assert line["images_per_s"] == pytest.approx(4 / line["time"], rel=1e-3)
        assert 0 <= line["idle_share"] < 1
        assert line["data_share"] == pytest.approx(line["data_time"] / line["time"], rel=1e-3)
        assert 10 < line["cpu_memory"] < 1e6


def test_the_speed_counts_a_smaller_last_batch(
    tmp_path: Path, make_runner: Make, make_loader: Make
) -> None:
    run(make_runner(epochs=2), make_loader(length=14))  # batches of 4, 4, 4 and 2
    lines = [line for line in json_lines(tmp_path) if line.get("mode") == "train"]
    images = [line["images_per_s"] * line["time"] for line in lines]
    assert images == pytest.approx([4, 3, 4, 3], rel=1e-3)


def test_tensorboard_by_default(tmp_path: Path, make_runner: Make, make_loader: Make) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(make_runner(), make_loader(length=16, views=2))
    events = EventAccumulator(str(tmp_path / "tf_logs")).Reload()
    tags = events.Tags()
    assert {
        "train/loss",
        "train/grad_norm",
        "train/images_per_s",
        "train/data_share",
        "train/idle_share",
        "train/cpu_memory",
        "learning_rate",
        "momentum",
    } <= set(tags["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [2, 4]
    assert tags["images"] == ["views"]
    assert len(events.Images("views")) == 1


def test_config_may_name_the_hooks_itself(make_runner: Make) -> None:
    runner = make_runner()
    hooks = [dict(type="TextLoggerHook"), dict(type="TensorboardLoggerHook")]
    runner.register_logger_hooks(dict(interval=3, hooks=hooks))
    runner.register_hook(HOOKS.build(dict(type="ViewsImageHook", num_images=2)))
    register_default_hooks(runner, dict(interval=3, hooks=hooks))
    names = [type(hook).__name__ for hook in runner.hooks]
    assert names == [
        "ViewsImageHook",
        "TrainingProgressHook",
        "FreedMemoryHook",
        "DeviceIdleHook",
        "LogStatsHook",
        "SpeedAdviceHook",
        "ProgressBarHook",
        "TextLoggerHook",
        "TensorboardLoggerHook",
    ]


def test_old_name_of_a_default_hook_is_not_added_twice(make_runner: Make) -> None:
    runner = make_runner()
    runner.register_hook(HOOKS.build(dict(type="TrainingShareHook")))
    register_default_hooks(runner, None)
    names = [type(hook).__name__ for hook in runner.hooks]
    assert names.count("TrainingProgressHook") == 1
    assert TrainingShareHook is TrainingProgressHook is HOOKS.get("TrainingProgressHook")


def test_without_loggers(make_runner: Make) -> None:
    runner = make_runner()
    register_default_hooks(runner, None)
    assert [type(hook).__name__ for hook in runner.hooks] == [
        "ViewsImageHook",
        "TrainingProgressHook",
        "FreedMemoryHook",
        "ProgressBarHook",
    ]


def test_other_loggers_get_plain_numbers(make_runner: Make, make_loader: Make) -> None:
    """mmcv's mlflow, wandb, ... hooks take what get_loggable_tags gives."""
    tags = []

    class AnyLogger(HOOKS.get("MlflowLoggerHook")):  # type: ignore[misc]
        def __init__(self) -> None:
            super(HOOKS.get("MlflowLoggerHook"), self).__init__(interval=2)

        def before_run(self, runner: Any) -> None:
            pass

        def log(self, runner: Any) -> None:
            tags.append(self.get_loggable_tags(runner))

        def after_run(self, runner: Any) -> None:
            pass

    runner = make_runner()
    runner.register_hook(AnyLogger(), priority="VERY_LOW")
    run(runner, make_loader(length=16))
    assert len(tags) >= 2
    assert all(isinstance(value, float) for value in tags[0].values())
    assert "train/loss" in tags[0]


def test_text_hook_keeps_six_digits() -> None:
    hook = TextLoggerHook()
    assert hook._round_float([1.23456789e-7, 12.3456789, 3, "a"]) == [1.23457e-07, 12.3457, 3, "a"]


def test_facts_are_no_metrics_on_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, Any] = {}
    monkeypatch.setattr(MMCVTextLoggerHook, "_log_info", lambda _, line, __: shown.update(line))
    line = {"accuracy": 0.5, "num_classes": 3.0, "head1_num_classes": 3.0, "gpu_memory": 1.0}
    TextLoggerHook()._log_info(line, SimpleNamespace(meta=None))
    assert shown == {"accuracy": 0.5}


def test_views_picture_is_denormalised(
    tmp_path: Path, make_runner: Make, make_loader: Make
) -> None:
    loader = make_loader(length=4, views=3)
    loader.dataset.images[:] = 2.0  # 2 * 0.25 + 0.5 = 1: white
    loader.dataset.images[1] = -2.0  # black
    run(make_runner(), loader)
    picture = Image.open(tmp_path / "views.png")
    assert picture.size == (3 * (6 + 2) + 2, 4 * (6 + 2) + 2)
    pixels = picture.convert("L")
    assert [pixels.getpixel((5, 8 * row + 5)) for row in range(4)] == [255, 0, 255, 255]


def test_views_of_different_sizes_and_shapes() -> None:
    large, small = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 4, 4)
    picture = views_picture([large, small, small], None)
    assert picture is not None
    assert picture.shape == (3, 2 * (8 + 2) + 2, 3 * (8 + 2) + 2)
    wide = views_picture([torch.rand(2, 3, 4, 9)], None)
    assert wide is not None
    assert wide.shape == (3, (4 + 2) + 2, 2 * (9 + 2) + 2)  # one view: in a row
    assert len(split_views(torch.rand(2, 8, 6, 5, 5))) == 16  # pairs of patches
    assert len(split_views(torch.rand(2, 1, 5, 5))) == 1
    assert split_views(torch.rand(2, 7)) == []
    assert views_picture(torch.rand(2, 7), None) is None


def test_unknown_normalisation_is_stretched() -> None:
    shown = to_display(torch.tensor([-3.0, 0.0, 5.0]).view(1, 1, 1, 3), None)
    assert shown.flatten().tolist() == [0, 0.375, 1]


def test_known_normalisation_is_undone_and_not_stretched() -> None:
    view = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3)
    shown = to_display(view.expand(1, 3, 1, 3), Normalize([0.5, 0.5, 0.4], [0.25, 0.1, 0.1]))
    expected = torch.tensor([[0.25, 0.5, 0.75], [0.4, 0.5, 0.6], [0.3, 0.4, 0.5]])
    assert torch.allclose(shown[0, :, 0], expected)
    # Of another number of channels nothing is known.
    assert to_display(view, Normalize([0.5] * 3, [0.25] * 3)).flatten().tolist() == [0, 0.5, 1]


def test_normalize_is_found_inside_wrappers() -> None:
    class Wrapper:
        def __init__(self, **inside: Any) -> None:
            self.__dict__.update(inside)

    normalize = Normalize([0.0], [1.0])
    dataset = Wrapper(pipelines=[Compose([torch.nn.Identity(), normalize])])
    assert find_normalize(Wrapper(datasets=[Wrapper(dataset=dataset)])) is normalize
    assert find_normalize(Wrapper(pipeline=Compose([torch.nn.Identity()]))) is None
    endless = Wrapper()
    endless.dataset = endless
    assert find_normalize(endless) is None


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_progress_bar(
    make_runner: Make, make_loader: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run(make_runner(epochs=2), make_loader(length=16))
    last = terminal.text.rstrip().rpartition("\r")[2]
    assert "epoch 2 of 2" in last
    assert "4/4" in last, "the iterations of the epoch"
    assert re.search(r"loss \d.*, \d+(\.\d+)? images/s, 0:00:00 left, log ", last)


def test_no_bar_without_a_terminal(
    make_runner: Make, make_loader: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    runner = make_runner()
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(ProgressBarHook())
    runner.run([make_loader()], [("train", 1)])
    assert "training" not in capfd.readouterr().err


class BrokenWriter:
    """A writer of TensorBoard whose disk is full from the second number on."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0

    def add_scalar(self, *args: Any) -> None:
        self.calls += 1
        if self.calls > 1:
            raise self.error

    add_text = add_image = add_scalar

    def close(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("thread ended")]
)
def test_a_broken_writer_does_not_end_the_training(
    monkeypatch: pytest.MonkeyPatch, make_runner: Make, make_loader: Make, error: Exception
) -> None:
    writer = BrokenWriter(error)
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter", lambda folder: writer)
    runner = make_runner(epochs=3)
    lines: list[str] = []
    monkeypatch.setattr(runner.logger, "error", lambda text, *args: lines.append(text % args))
    hook = HOOKS.build(dict(type="TensorboardLoggerHook", interval=1))
    runner.register_hook(hook, priority="VERY_LOW")
    run(runner, make_loader(length=16))
    assert runner.epoch == 3
    assert writer.calls == 2
    assert len(lines) == 1
    assert "TensorBoard is given up: " in lines[0]
    assert hook.writer.add_image("confusion", None, 1) is None  # other hooks ask for the writer
    assert tensorboard_writer(runner) is hook.writer


def test_a_writer_that_can_not_be_opened(
    monkeypatch: pytest.MonkeyPatch, make_runner: Make, make_loader: Make
) -> None:
    def fail(folder: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter", fail)
    runner = make_runner(epochs=1)
    run(runner, make_loader(length=16))
    assert runner.epoch == 1


def test_the_json_log_is_json(tmp_path: Path) -> None:
    hook = TextLoggerHook()
    hook.json_log_path = str(tmp_path / "a.log.json")
    runner = SimpleNamespace(rank=0, logger=Mock())
    facts = dict(mode="val", epoch=1, iter=1, acc=math.nan, recall=[0.5, math.inf], lr=1e-6)
    hook._dump_log(facts, runner)
    text = (tmp_path / "a.log.json").read_text()
    line = json.loads(text, parse_constant=pytest.fail)
    assert line == dict(mode="val", epoch=1, iter=1, acc=None, recall=[0.5, None], lr=1e-6)
    assert math.isnan(read_log(tmp_path).last_val("acc"))
    assert math.isnan(curve(read_json_log(str(tmp_path / "a.log.json")), "acc")[1][0])


def test_a_json_log_that_can_not_be_written(tmp_path: Path) -> None:
    hook = TextLoggerHook()
    hook.json_log_path = str(tmp_path / "missing" / "a.log.json")
    runner = SimpleNamespace(rank=0, logger=Mock())
    for epoch in range(3):
        hook._dump_log(dict(mode="val", epoch=epoch, iter=1), runner)
    assert runner.logger.error.call_count == 1
