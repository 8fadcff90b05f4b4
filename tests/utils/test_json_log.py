"""The JSON logs of trainings."""

import json
import math
from pathlib import Path

from mmselfsup.utils.json_log import read_log
from tests.study.study_data import write_log


def line(mode: str, epoch: int, i: int, **values: float) -> str:
    return json.dumps({"mode": mode, "epoch": epoch, "iter": i, **values}) + "\n"


def test_curves(tmp_path: Path) -> None:
    write_log(tmp_path, epochs=3, start=1.0, val=0.5)
    log = read_log(tmp_path)
    assert [x for x, _ in log.train_curve()] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert [x for x, _ in log.val_curve()] == [1.0, 2.0, 3.0]
    assert log.last_val() == log.val_curve()[-1][1]
    assert log.epochs_done() == 3


def test_an_epoch_is_done_when_it_is_as_long_as_those_before(tmp_path: Path) -> None:
    text, done = "", []
    for epoch, i in [(1, 5), (1, 10), (2, 5), (2, 10), (3, 5)]:
        text += line("train", epoch, i, loss=1)
        (tmp_path / "20240101_000000.log.json").write_text(text)
        done.append(read_log(tmp_path).epochs_done())
    assert done == [0, 0, 1, 2, 2]


def test_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    first = line("train", 1, 5, loss=3) + line("train", 2, 5, loss=2) + '{"mode": "train", "ep'
    (tmp_path / "20240101_000000.log.json").write_text('{"seed": 0}\n' + first)
    second = line("train", 2, 5, loss=1) + line("val", 2, 9, balanced_accuracy=0.5)
    (tmp_path / "20240102_000000.log.json").write_text('{"seed": 0}\n' + second)
    log = read_log(tmp_path)
    assert log.train_curve() == [(1.0, 3.0), (2.0, 1.0)]
    assert log.last_val() == 0.5


def test_no_log_is_an_empty_log(tmp_path: Path) -> None:
    log = read_log(tmp_path / "nowhere")
    assert log.train_curve() == []
    assert log.epochs_done() == 0
    assert math.isnan(log.last_val())


def test_the_last_value_is_that_of_the_last_epoch(tmp_path: Path) -> None:
    text = line("train", 2, 5, loss=1) + line("val", 2, 9, balanced_accuracy=0.5)
    (tmp_path / "20240101_000000.log.json").write_text(text)
    assert read_log(tmp_path).last_val() == read_log(tmp_path).last_val(epochs=2) == 0.5
    assert math.isnan(read_log(tmp_path).last_val(epochs=3))
    (tmp_path / "20240101_000000.log.json").write_text(text + line("train", 3, 5, loss=1))
    assert math.isnan(read_log(tmp_path).last_val())


def test_the_resumed_run_counts_though_its_name_is_older(tmp_path: Path) -> None:
    first = line("train", 1, 5, loss=3) + line("train", 2, 5, loss=2)
    (tmp_path / "20241027_025500.log.json").write_text('{"seed": 0}\n' + first)
    # Daylight saving ended: it was started later.
    second = line("train", 2, 5, loss=1) + line("train", 3, 5, loss=0.5)
    (tmp_path / "20241027_020500.log.json").write_text('{"seed": 0}\n' + second)
    # Killed between the last checkpoint and its validation.
    third = line("val", 3, 9, balanced_accuracy=0.5)
    (tmp_path / "20241027_020100.log.json").write_text('{"seed": 0}\n' + third)
    (tmp_path / "20241027_021000.log.json").write_text('{"seed": 0}\n')
    log = read_log(tmp_path)
    assert log.train_curve() == [(1.0, 3.0), (2.0, 1.0), (3.0, 0.5)]
    assert log.last_val() == 0.5
