"""SwAV's queue: its length from the data, when it starts, and that a resume brings it back."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import Hook

from mmselfsup.core.hooks import SwAVHook
from mmselfsup.core.runner import EpochBasedRunner
from mmselfsup.datasets import build_dataloader
from mmselfsup.models import build_algorithm
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from tests.runner.fakes import quiet_logger

CFG = {
    "type": "SwAV",
    "backbone": {"type": "ResNet", "depth": 18, "stem_channels": 4, "base_channels": 4},
    "neck": {"type": "SwAVNeck", "in_channels": 32, "hid_channels": 8, "out_channels": 4},
    "head": {"type": "SwAVHead", "feat_dim": 4, "num_prototypes": 5},
}
LENGTH, BATCH = 9, 4  # of the queue, and of a batch that doesn't divide it


class Views(torch.utils.data.Dataset[dict[str, Any]]):
    """Two random views for each of 12 images."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, idx: int) -> dict[str, Any]:
        return {"img": [torch.rand(3, 16, 16) for _ in range(2)], "idx": idx}


class Watch(Hook):  # type: ignore[misc]
    """Notes for each iteration how full the queue is, and whether it is used."""

    def __init__(self) -> None:
        self.seen: list[tuple[int | None, bool]] = []
        self.prototypes: list[torch.Tensor] = []

    def after_train_iter(self, runner: Any) -> None:
        head = runner.model.head
        full = None if head.queue is None else int(head.queue[0].any(dim=1).sum())
        self.seen.append((full, head.use_queue))
        self.prototypes.append(head.prototypes.weight.detach().clone())


def train(work_dir: Path, resume: str | None = None, epochs: int = 4, **kwargs: Any) -> Any:
    """Train with a checkpoint every two iterations; ``runner.watch`` is a watch."""
    torch.manual_seed(0)
    model = build_algorithm(CFG)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    parts = dict(optimizer=optimizer, work_dir=str(work_dir), logger=quiet_logger(), meta={})
    runner = EpochBasedRunner(model, max_epochs=epochs, **parts)
    options = dict(batch_size=BATCH, epoch_queue_starts=1, feat_dim=4, queue_length=LENGTH)
    runner.register_hook(SwAVHook(**{**options, **kwargs}), "VERY_HIGH")
    runner.register_training_hooks(
        {"policy": "fixed"},
        dict(type="DistOptimizerHook", frozen_layers_cfg={"prototypes": 2}),
        checkpoint_config=dict(type="CheckpointHook", interval=2, by_epoch=False),
        log_config={"interval": 5, "hooks": []},
    )
    runner.watch = Watch()
    runner.register_hook(runner.watch, "VERY_LOW")
    if resume:
        runner.resume(str(work_dir / resume))
    loader = build_dataloader(Views(), samples_per_gpu=BATCH, workers_per_gpu=0, seed=3)
    runner.run([loader], [("train", 1)])
    return runner


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of the log."""
    texts: list[str] = []
    monkeypatch.setattr(quiet_logger(), "warning", lambda text, *args: texts.append(text % args))
    return texts


def test_the_queue_starts_late_fills_and_is_used(tmp_path: Path) -> None:
    seen = train(tmp_path).watch.seen
    filling = [(4, False), (8, False), (9, False)]
    assert seen == [(None, False)] * 3 + filling + [(9, True)] * 6


def test_prototypes_are_frozen_at_first(tmp_path: Path) -> None:
    before, *after = train(tmp_path).watch.prototypes
    torch.testing.assert_close(after[0], before)
    assert not torch.allclose(after[1], before)


@pytest.mark.parametrize("done", [2, 4, 6, 8, 10])
def test_resumed_is_equal_bit_for_bit(done: int, tmp_path: Path) -> None:
    """Before the queue starts, while it fills, inside and between epochs, and when it's full."""
    whole = train(tmp_path)
    later = train(tmp_path, resume=f"iter_{done}.pth")
    assert later.watch.seen == whole.watch.seen[done:]
    assert torch.equal(later.model.head.queue, whole.model.head.queue)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(later.model.state_dict()[key], value), key
    assert not list(tmp_path.glob("queue*"))


def test_a_resumed_queue_is_saved_before_it_is_used(tmp_path: Path) -> None:
    """A run may save before its first epoch, after an evaluation that a kill had prevented."""
    queue = torch.rand(2, LENGTH, 4)
    hook = SwAVHook(queue_length=LENGTH, feat_dim=4)
    hook.load_state_dict({"queue": queue})
    assert torch.equal(hook.state_dict()["queue"], queue)
    head = build_algorithm(CFG).head
    hook._head = head
    assert torch.equal(hook.state_dict()["queue"], queue)
    hook.after_train_epoch(None)  # one without a queue, where ``epoch_queue_starts`` was raised
    assert torch.equal(hook.state_dict()["queue"], queue)
    head.queue = queue + 1  # the head is ahead of the hook
    assert torch.equal(hook.state_dict()["queue"], queue + 1)


def test_another_length_empties_the_queue_and_says_so(tmp_path: Path, messages: list[str]) -> None:
    train(tmp_path)
    later = train(tmp_path, resume="iter_10.pth", queue_length=5)
    assert later.watch.seen == [(4, False), (5, False)]
    new = "SwAVHook: the resumed queue [2, 9, 4] restarts from zeros: the config asks for [2, 5, 4]"
    assert messages.count(new) == 1


def test_no_queue_by_default(tmp_path: Path) -> None:
    assert SwAVHook().queue_length == SwAVHook(batch_size=2).queue_length == 0
    assert set(train(tmp_path, queue_length=0).watch.seen) == {(None, False)}


@pytest.mark.parametrize(
    ("images", "batch", "length"),
    [(1281167, 256, 3840), (1281167, 1000, 3000), (8013, 128, 3840), (300, 64, 256), (5, 8, 5)],
)
def test_a_length_from_the_data(images: int, batch: int, length: int) -> None:
    hook = SwAVHook(queue_length=None)
    hook.fit_dataset(DataInfo(images, batch))
    assert (hook.queue_length, hook.batch_size) == (length, batch)


def test_a_length_that_can_not_work() -> None:
    with pytest.raises(UserError, match="-1"):
        SwAVHook(queue_length=-1)
    with pytest.raises(UserError, match=r"3840 is more than the 1000 images.*use 992 or fewer"):
        SwAVHook(32, queue_length=3840).fit_dataset(DataInfo(1000, 32))
    hook = SwAVHook(32, queue_length=256)
    hook.fit_dataset(DataInfo(1000, 512))  # 0.x made it 0
    assert (hook.queue_length, hook.batch_size) == (256, 512)


def test_the_queue_must_fit_the_head(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"feat_dim is 128, but that of the head is 4"):
        train(tmp_path, feat_dim=128)
    with pytest.raises(UserError, match=r"crops_for_assign is \[0\], but"):
        train(tmp_path, crops_for_assign=[0])


def test_what_is_not_as_configured_is_logged(tmp_path: Path, messages: list[str]) -> None:
    train(tmp_path, epochs=1)
    assert messages == ["SwAVHook: no queue: it starts after epoch 1 of 1"]
