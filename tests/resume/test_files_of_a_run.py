"""What may be written, what may be deleted, and what a resume puts right."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook, IterTimerHook
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from mmselfsup.core.hooks import DistOptimizerHook, EvalHook
from mmselfsup.core.runner import EpochBasedRunner, NonFiniteLossError
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.json_log import read_log
from tests.distributed.ranks import run_ranks
from tests.hooks.conftest import TinyData, TinyModel
from tests.hooks.conftest import make_loader as make_loader
from tests.hooks.conftest import make_runner as make_runner
from tests.runner.fakes import quiet_logger

Make = Callable[..., Any]


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def fit(runner: Any, scores: list[float] | None = None, **options: Any) -> Any:
    """Train with checkpoints, and with evaluations that give ``scores`` in turn."""
    runner.register_hook(DistOptimizerHook())
    runner.register_hook(IterTimerHook())
    runner.register_checkpoint_hook({"interval": 1, **options})
    val = DataLoader(TinyData(), batch_size=4)
    if scores is not None:
        val.dataset.scores = list(scores)
        runner.register_hook(EvalHook(val, save_best="accuracy"), priority="LOW")
    runner.register_hook(HOOKS.build(dict(type="TextLoggerHook")), priority="VERY_LOW")
    runner.timestamp = f"run{len(list(Path(runner.work_dir).glob('*.json')))}"
    runner.run([DataLoader(TinyData(), batch_size=4)], [("train", 1)])
    return val.dataset


class Spoil(Hook):  # type: ignore[misc]
    """Makes a weight nan after an iteration, or the loss from an iteration on."""

    def __init__(self, weight_at: int = -1, loss_from: int = 10**9) -> None:
        self.weight_at, self.loss_from = weight_at, loss_from

    def before_train_iter(self, runner: Any) -> None:
        if runner.iter >= self.loss_from:
            runner.data_batch["img"] = runner.data_batch["img"] * float("nan")

    def after_train_iter(self, runner: Any) -> None:
        if runner.iter == self.weight_at:
            next(runner.model.parameters()).data.view(-1)[0] = float("nan")


@pytest.mark.parametrize("length", [dict(epochs=2), dict(iters=6)])
def test_no_checkpoint_of_a_loss_that_is_not_finite(
    length: dict[str, int], tmp_path: Path, make_runner: Make
) -> None:
    runner = make_runner(**length)
    runner.register_hook(Spoil(loss_from=3))
    with pytest.raises(NonFiniteLossError, match="iteration 4"):
        fit(runner, interval=1, by_epoch=False, max_keep_ckpts=1)
    assert load(tmp_path / "latest.pth")["meta"]["iter"] == 3
    for name in ("latest.pth", "backbone.pth"):
        state = load(tmp_path / name)
        weights = state.get("state_dict", state).values()
        assert all(tensor.isfinite().all() for tensor in weights)


def spoilt_rank(rank: int, work_dir: str) -> list[str]:
    torch.manual_seed(0)
    model = DistributedDataParallel(TinyModel())
    runner = EpochBasedRunner(
        model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), work_dir=work_dir,
        logger=quiet_logger(), meta={}, max_epochs=1,
    )  # fmt: skip
    runner.register_hook(Spoil(loss_from=2 if rank else 10**9))
    runner.register_checkpoint_hook(dict(interval=2, by_epoch=False))
    try:
        runner.run([DataLoader(TinyData(16), batch_size=4)], [("train", 1)])
    except NonFiniteLossError as error:
        return [str(error)]
    return []


def test_a_loss_of_another_rank_is_found_before_the_checkpoint(tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    lines = run_ranks(spoilt_rank, tmp_path, str(work_dir))
    assert lines[0] == lines[1]
    assert "rank 1: the loss is not finite at iteration 3" in lines[0][0]
    assert not (work_dir / "iter_4.pth").exists()


def test_no_checkpoint_of_weights_that_are_not_finite(tmp_path: Path, make_runner: Make) -> None:
    runner = make_runner(epochs=3)
    runner.register_hook(Spoil(weight_at=3))  # the last iteration of epoch 2, its loss is finite
    with pytest.raises(UserError, match=r"not finite \(backbone\.conv1\.weight\).*epoch_2\.pth"):
        fit(runner)
    assert sorted(p.name for p in tmp_path.glob("*.pth")) == [
        "backbone.pth",
        "epoch_1.pth",
        "latest.pth",
    ]


def test_losses_are_read_before_an_evaluation_discards_them(make_runner: Make) -> None:
    runner = make_runner(iters=4)
    runner.register_hook(Spoil(loss_from=1))
    val = DataLoader(TinyData(), batch_size=4)
    runner.register_hook(EvalHook(val, by_epoch=False, interval=2), priority="LOW")
    with pytest.raises(NonFiniteLossError, match="iteration 2"):
        fit(runner, interval=4, by_epoch=False)


def test_the_best_score_in_a_checkpoint_is_that_of_its_epoch(
    tmp_path: Path, make_runner: Make
) -> None:
    fit(make_runner(epochs=3), [0.2, 0.6, 0.4])
    best = [load(tmp_path / f"epoch_{n}.pth")["meta"]["hook_msgs"] for n in (1, 2, 3)]
    assert [one["best_score"] for one in best] == [0.2, 0.6, 0.6]
    assert [Path(one["best_ckpt"]).name[-11:] for one in best] == [
        "epoch_1.pth",
        "epoch_2.pth",
        "epoch_2.pth",
    ]
    assert [p.name for p in tmp_path.glob("best_*")] == ["best_accuracy_epoch_2.pth"]


def test_the_best_file_of_the_newest_checkpoint_stays(tmp_path: Path, make_runner: Make) -> None:
    class Names(Hook):  # type: ignore[misc]
        def after_train_epoch(self, runner: Any) -> None:
            seen.append(sorted(p.name[-11:-4] for p in tmp_path.glob("best_*")))

    runner, seen = make_runner(epochs=4), []
    runner.register_hook(Names(), priority="LOWEST")
    fit(runner, [0.1, 0.2, 0.3, 0.4], interval=2)
    # epoch_2.pth names the best of epoch 2, which must be there as long as a resume may need it.
    assert seen[2] == ["epoch_2", "epoch_3"]
    assert [p.name for p in tmp_path.glob("best_*")] == ["best_accuracy_epoch_4.pth"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_resume_deletes_nothing_that_a_checkpoint_names(
    inside: bool, tmp_path: Path, make_runner: Make
) -> None:
    fit(make_runner(epochs=1), [0.5])
    kept = [tmp_path / "notes.txt", tmp_path / "sub" / "best_accuracy_epoch_1.pth"]
    kept[1].parent.mkdir()
    for path in kept:
        path.write_text("precious")
    state = load(tmp_path / "epoch_1.pth")
    state["meta"]["hook_msgs"].update(
        best_ckpt=str(kept[1]),
        best_score=-1.0,
        replaced_best=["notes.txt", str(kept[0]), "../notes.txt", "sub/best_accuracy_epoch_1.pth"],
    )
    torch.save(state, tmp_path / "epoch_1.pth")
    work_dir = tmp_path if inside else tmp_path / "other"
    work_dir.mkdir(exist_ok=True)
    runner = make_runner(epochs=2, work_dir=str(work_dir))
    runner.resume(str(tmp_path / "epoch_1.pth"))
    fit(runner, [0.9])
    assert (work_dir / "best_accuracy_epoch_2.pth").exists()
    assert all(path.read_text() == "precious" for path in kept)
    assert inside or (tmp_path / "best_accuracy_epoch_1.pth").exists()  # of the first run


def test_a_failed_evaluation_costs_no_training(tmp_path: Path, make_runner: Make) -> None:
    runner = make_runner(epochs=1)
    val = DataLoader(TinyData(), batch_size=4)
    runner.register_hook(EvalHook(val, save_best="kappa", rule="greater"), priority="LOW")
    with pytest.raises(UserError, match="save_best"):
        fit(runner)
    assert load(tmp_path / "latest.pth")["meta"]["epoch"] == 1
    runner = make_runner(epochs=1)
    runner.resume(str(tmp_path / "latest.pth"))
    data = fit(runner, [0.25])
    assert len(data.calls) == 1
    assert read_log(tmp_path).last_val("accuracy", 1) == 0.25
    messages = load(tmp_path / "latest.pth")["meta"]["hook_msgs"]
    assert (messages["best_score"], messages["evaluated"]) == (0.25, 1)
    assert (tmp_path / "best_accuracy_epoch_1.pth").exists()
    again = make_runner(epochs=1)  # and no second time
    again.resume(str(tmp_path / "latest.pth"))
    assert fit(again, [0.25]).calls == []


@pytest.mark.parametrize(("number", "evaluations"), [(2, 3), (3, 2), (4, 2)])
def test_only_the_end_of_an_epoch_is_evaluated_late(
    number: int, evaluations: int, tmp_path: Path, make_runner: Make
) -> None:
    """An evaluation is added; inside epoch 2 the weights are no longer those of epoch 1."""
    fit(make_runner(epochs=3), interval=1, by_epoch=False)
    runner = make_runner(epochs=3)
    runner.resume(str(tmp_path / f"iter_{number}.pth"))
    assert not runner.is_between_steps(by_epoch=True)
    assert not runner.is_between_steps(by_epoch=False)
    assert len(fit(runner, [0.5] * 3).calls) == evaluations


def test_a_stale_backbone_and_link_are_put_right(tmp_path: Path, make_runner: Make) -> None:
    fit(make_runner(epochs=1))
    stale = (tmp_path / "backbone.pth").read_bytes()
    fit(make_runner(epochs=2))
    right = load(tmp_path / "backbone.pth")
    (tmp_path / "backbone.pth").write_bytes(stale)
    (tmp_path / "latest.pth").unlink()
    (tmp_path / "latest.pth").symlink_to("epoch_1.pth")
    runner = make_runner(epochs=2)
    runner.resume(str(tmp_path / "epoch_2.pth"))
    fit(runner)
    assert (tmp_path / "latest.pth").resolve().name == "epoch_2.pth"
    found = load(tmp_path / "backbone.pth")
    assert all(torch.equal(found[name], tensor) for name, tensor in right.items())


def test_a_resume_elsewhere_leaves_the_first_folder(tmp_path: Path, make_runner: Make) -> None:
    fit(make_runner(epochs=2))
    (tmp_path / "backbone.pth").write_bytes(b"mine")
    runner = make_runner(epochs=2, work_dir=str(tmp_path / "other"))
    runner.resume(str(tmp_path / "epoch_1.pth"))
    fit(runner)
    assert (tmp_path / "backbone.pth").read_bytes() == b"mine"
    assert (tmp_path / "latest.pth").resolve().name == "epoch_2.pth"


def test_a_checkpoint_without_the_head_is_refused(tmp_path: Path, make_runner: Make) -> None:
    fit(make_runner(epochs=1))
    state = load(tmp_path / "epoch_1.pth")
    for name in ("head.weight", "head.bias"):
        del state["state_dict"][name]
    torch.save(state, tmp_path / "headless.pth")
    runner = make_runner(epochs=2)
    with pytest.raises(UserError, match=r"head\.weight, head\.bias \(2\).*resume_missing=True"):
        runner.resume(str(tmp_path / "headless.pth"))
    runner.resume(str(tmp_path / "headless.pth"), allow_missing=True)
    known = {id(param) for param in runner.optimizer.state}
    assert id(runner.model.head.weight) not in known  # no momentum of another head
    assert id(runner.model.backbone.conv1.weight) in known


def test_leftovers_of_a_killed_run_go(tmp_path: Path, make_runner: Make) -> None:
    (tmp_path / "metrics").mkdir()
    left = [
        ".epoch_1.pth.ab12_x9z",
        ".latest.pth.4711",
        ".views.png.x0_x0_x0",
        "metrics/.epoch_1.json.abcdefgh",
    ]
    stay = [".hidden.pth", ".note.doc.abcdefgh", ".epoch.json.ABCDEFGH", "epoch.json"]
    for name in left + stay:
        (tmp_path / name).write_text(json.dumps(name))
    fit(make_runner(epochs=1), [0.5])
    assert not any((tmp_path / name).exists() for name in left)
    assert all((tmp_path / name).exists() for name in stay)
