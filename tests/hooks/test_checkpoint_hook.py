"""Which files are there, what they hold, and what a stop in the middle leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS

from mmselfsup.core.checkpoint import save
from mmselfsup.core.hooks import CheckpointHook, DistOptimizerHook

Make = Callable[..., Any]


def run(runner: Any, loader: Any, **options: Any) -> list[str]:
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(HOOKS.build(dict(type="CheckpointHook", **options)))
    runner.run([loader], [("train", 1)])
    return sorted(path.name for path in Path(runner.work_dir).glob("*.pth"))


def test_replaces_mmcvs_hook() -> None:
    assert HOOKS.get("CheckpointHook") is CheckpointHook


@pytest.mark.parametrize(
    ("options", "files"),
    [
        (dict(interval=1), [f"epoch_{i}.pth" for i in range(1, 6)]),
        (dict(interval=1, max_keep_ckpts=2), ["epoch_4.pth", "epoch_5.pth"]),
        (dict(interval=2, max_keep_ckpts=2), ["epoch_4.pth", "epoch_5.pth"]),
        (dict(interval=2, save_last=False), ["epoch_2.pth", "epoch_4.pth"]),
        (dict(), ["epoch_5.pth"]),
        (dict(interval=3, filename_tmpl="e{}.pth", max_keep_ckpts=1), ["e5.pth"]),
    ],
)
def test_files(
    options: dict[str, Any], files: list[str], make_runner: Make, make_loader: Make
) -> None:
    runner = make_runner(epochs=5)
    assert run(runner, make_loader(), **options) == ["backbone.pth", *files, "latest.pth"]
    assert (Path(runner.work_dir) / "latest.pth").resolve().name == files[-1]


def test_iterations(make_runner: Make, make_loader: Make) -> None:
    files = run(make_runner(iters=5), make_loader(), interval=2, by_epoch=False, max_keep_ckpts=2)
    assert files == ["backbone.pth", "iter_4.pth", "iter_5.pth", "latest.pth"]


def test_content(make_runner: Make, make_loader: Make) -> None:
    runner = make_runner(epochs=2)
    run(runner, make_loader(), interval=1)
    folder = Path(runner.work_dir)
    state = torch.load(folder / "latest.pth", weights_only=True)
    assert (state["meta"]["epoch"], state["meta"]["iter"]) == (2, 4)
    assert state["meta"]["hook_msgs"]["last_ckpt"] == str(folder / "epoch_2.pth")
    assert "optimizer" in state
    backbone = torch.load(folder / "backbone.pth", weights_only=True)
    assert list(backbone) == list(runner.model.backbone.state_dict())
    assert torch.equal(backbone["conv1.weight"], runner.model.backbone.conv1.weight)


def test_weights_only_and_no_backbone_file(make_runner: Make, make_loader: Make) -> None:
    runner = make_runner()
    files = run(runner, make_loader(), save_optimizer=False, save_backbone=False)
    assert files == ["epoch_1.pth", "latest.pth"]
    assert "optimizer" not in torch.load(Path(runner.work_dir) / "epoch_1.pth", weights_only=True)


def test_other_folder(tmp_path: Path, make_runner: Make, make_loader: Make) -> None:
    run(make_runner(), make_loader(), out_dir=str(tmp_path / "store"))
    assert (tmp_path / "store" / tmp_path.name / "latest.pth").exists()


def test_files_of_an_earlier_longer_run_stay(
    tmp_path: Path, make_runner: Make, make_loader: Make
) -> None:
    (tmp_path / "epoch_9.pth").write_bytes(b"old")
    (tmp_path / "epoch_note.pth").write_bytes(b"mine")
    files = run(make_runner(epochs=2), make_loader(), interval=1, max_keep_ckpts=1)
    assert files == ["backbone.pth", "epoch_2.pth", "epoch_9.pth", "epoch_note.pth", "latest.pth"]


def test_killed_while_saving_keeps_the_last_checkpoint(
    tmp_path: Path, make_runner: Make, make_loader: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = torch.save, []

    def stop_at_the_second(state: Any, file: Any) -> None:
        calls.append(1)
        if len(calls) == 3:  # epoch_1.pth, backbone.pth, then epoch_2.pth
            file.write(b"half")
            raise KeyboardInterrupt
        real(state, file)

    monkeypatch.setattr(save.torch, "save", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(make_runner(epochs=3), make_loader(), interval=1, max_keep_ckpts=1)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["backbone.pth", "epoch_1.pth", "latest.pth"]
    assert torch.load(tmp_path / "latest.pth", weights_only=True)["meta"]["epoch"] == 1
