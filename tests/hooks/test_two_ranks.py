"""The hooks in two processes: one result, one set of files, one exchange of gradients a step."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset

from mmselfsup.core.hooks import CheckpointHook, DistOptimizerHook, EvalHook
from mmselfsup.core.runner import EpochBasedRunner
from tests.distributed.ranks import run_ranks
from tests.hooks.conftest import TinyData, TinyModel


def train(rank: int, work_dir: str) -> dict[str, Any]:
    """Train one rank on its half of each batch of four."""
    torch.manual_seed(0)
    data = TinyData(length=16)
    own = Subset(data, [i for i in range(16) if i % 4 // 2 == rank])
    module = TinyModel()
    module.backbone.bn1.eval()
    module.train = lambda mode=True: module  # type: ignore[method-assign]
    model = DistributedDataParallel(module)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    logger = logging.getLogger("tests.two_ranks")
    runner = EpochBasedRunner(
        model, optimizer=optimizer, work_dir=work_dir, logger=logger, meta={}, max_epochs=2
    )
    runner.register_hook(DistOptimizerHook(update_interval=2))
    runner.register_hook(CheckpointHook(interval=1, max_keep_ckpts=1))
    val = TinyData(length=9)
    val.scores = [0.25, 0.75]
    runner.register_hook(EvalHook(DataLoader(val, batch_size=4), save_best="accuracy"), "LOW")
    runner.run([DataLoader(own, batch_size=2)], [("train", 1)])
    return dict(weights=module.state_dict(), measured=len(val.calls), best=runner.meta["hook_msgs"])


def slow_training() -> dict[str, Any]:
    """The same steps in one process: two batches of four a step."""
    torch.manual_seed(0)
    data, model = TinyData(length=16), TinyModel()
    model.backbone.bn1.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = list(DataLoader(data, batch_size=4))
    for start in (0, 2, 0, 2):
        optimizer.zero_grad()
        for batch in batches[start : start + 2]:
            (model(**batch)["loss"] / 2).backward()
        optimizer.step()
    return model.state_dict()


@pytest.mark.filterwarnings("ignore")
def test_two_ranks(tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    first, second = run_ranks(train, tmp_path, str(work_dir))
    for name, tensor in slow_training().items():
        torch.testing.assert_close(first["weights"][name], tensor, msg=name)
        assert torch.equal(first["weights"][name], second["weights"][name]), name
    assert (first["measured"], second["measured"]) == (2, 0)
    assert first["best"]["best_score"] == second["best"]["best_score"] == 0.75
    assert sorted(path.name for path in work_dir.glob("*.pth")) == [
        "backbone.pth",
        "best_accuracy_epoch_2.pth",
        "epoch_2.pth",
        "latest.pth",
    ]
