"""Details go to the file of metrics and to TensorBoard, headlines to the log."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmselfsup.core.hooks import EvalHook
from mmselfsup.core.hooks.eval_hook import keep_details
from mmselfsup.metrics.heads import evaluate_heads
from tests.distributed.ranks import run_ranks
from tests.hooks.conftest import TinyData, TinyModel


class Writer:
    def __init__(self) -> None:
        self.scalars: dict[str, float] = {}
        self.pictures: set[str] = set()

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag] = value

    def add_image(self, tag: str, picture: Any, step: int, dataformats: str) -> None:
        self.pictures.add(tag)


def test_file_and_tensorboard(tmp_path: Path) -> None:
    writer = Writer()
    runner = SimpleNamespace(
        hooks=[SimpleNamespace(writer=writer)], iter=9, epoch=1, work_dir=str(tmp_path)
    )
    keep_details(runner, {"accuracy": 0.5})
    assert not list(tmp_path.iterdir())
    metrics = {"num_classes": 8.0, "per_class/MEL/auc": 0.75, "per_class/NV/auc": float("nan")}
    keep_details(runner, metrics)
    assert writer.scalars == {"val_8_classes/per_class/MEL/auc": 0.75}
    found = json.loads((tmp_path / "metrics" / "epoch_2.json").read_text())
    assert found == {
        "epoch": 2,
        "iter": 10,
        "metrics": {"num_classes": 8, "per_class": {"MEL": {"auc": 0.75}, "NV": {"auc": None}}},
    }
    keep_details(runner, metrics, by_epoch=False)
    assert (tmp_path / "metrics" / "iter_10.json").exists()


class Measured(TinyData):
    """Measured as the data sets of the package are."""

    def evaluate(self, results: Any, **kwargs: Any) -> dict[str, float]:
        return evaluate_heads(results, self.gt_labels, self.CLASSES)


def test_log_has_headlines_only(make_runner: Callable[..., Any]) -> None:
    runner, writer = make_runner(), Writer()
    hook = EvalHook(DataLoader(Measured(), batch_size=3), save_best="per_class/dark/auc")
    runner.register_hook(hook, priority="LOW")
    runner._hooks.append(SimpleNamespace(writer=writer))
    hook.out_dir = runner.work_dir
    seen: dict[str, float] = {}
    hook._do_evaluate(runner)
    seen.update(runner.log_buffer.output)
    assert {"balanced_accuracy", "macro_auc", "ece", "recall_dark", "num_classes"} <= seen.keys()
    assert not [name for name in seen if "/" in name]
    assert "val_2_classes/per_class/dark/specificity" in writer.scalars
    assert writer.pictures == {"confusion/head0", "reliability/head0"}
    assert list(Path(runner.work_dir, "metrics").iterdir())
    assert list(Path(runner.work_dir).glob("best_per_class_dark_auc_epoch_1.pth"))


def measure(rank: int) -> dict[str, float]:
    """Measure seven images on two ranks."""
    import torch

    from mmselfsup.utils.collect import collect_results

    torch.manual_seed(0)
    data = Measured(length=7)
    results = collect_results(TinyModel(), DataLoader(data, batch_size=2, drop_last=True))
    return data.evaluate(results)


@pytest.mark.filterwarnings("ignore")
def test_two_ranks_measure_as_one(tmp_path: Path) -> None:
    first, second = run_ranks(measure, tmp_path)
    assert first == second
    alone = measure(0)
    assert first.keys() == alone.keys()
    for name, value in alone.items():
        np.testing.assert_allclose(first[name], value, rtol=1e-5, err_msg=name)
