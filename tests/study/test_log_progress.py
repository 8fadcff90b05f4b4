"""The progress bar over running trainings."""

from pathlib import Path

from tqdm import tqdm

from mmselfsup.study.stages.stage import Stage, _LogProgress
from mmselfsup.study.step import Step
from tests.utils.test_json_log import line


def write(folder: Path, day: int, *epochs: int) -> None:
    text = "".join(line("train", epoch, 5, loss=epoch) for epoch in epochs)
    (folder / f"2024010{day}_000000.log.json").write_text(text)


def test_bar_counts_what_this_start_has_trained(tmp_path: Path) -> None:
    write(tmp_path, 1, 1, 2, 3, 4)  # stopped before its first checkpoint
    stage = Stage("ssl", tmp_path, ("train.py",), tmp_path, epochs=14)
    bar = tqdm(total=14, disable=False, file=open(tmp_path / "bar", "w"))  # noqa: SIM115
    log_progress = _LogProgress([stage], bar)
    log_progress.update(now=True)
    assert bar.n == 0
    write(tmp_path, 2, 1)  # in its first epoch, nobody knows how far
    log_progress.update(now=True)
    assert bar.n == 0
    write(tmp_path, 2, 1, 2)
    log_progress.update(now=True)
    assert bar.n == 2


def test_bar_counts_a_finished_training_of_one_epoch(tmp_path: Path) -> None:
    step = Step("ssl", tmp_path, {}, ())
    step.begin()
    stage = Stage("ssl", tmp_path, ("train.py",), tmp_path, epochs=1)
    bar = tqdm(total=1, disable=False, file=open(tmp_path / "bar", "w"))  # noqa: SIM115
    log_progress = _LogProgress([stage], bar)
    write(tmp_path, 1, 1)
    log_progress.update(now=True)
    assert bar.n == 0
    step.finish(1.0)
    log_progress.update(now=True)
    assert bar.n == 1


def test_bar_of_a_resumed_training_counts_from_its_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 1, 1, 2, 3, 4)
    stage = Stage("ssl", tmp_path, ("train.py",), tmp_path, epochs=14)
    bar = tqdm(total=14, disable=False, file=open(tmp_path / "bar", "w"))  # noqa: SIM115
    log_progress = _LogProgress([stage], bar)
    write(tmp_path, 2, 5)
    log_progress.update(now=True)
    assert bar.n == 4
