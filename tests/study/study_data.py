"""What trainings leave behind, made of numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from mmselfsup.study.record import Results, RunRecord, SearchRecord
from mmselfsup.utils.metrics import classification_metrics, confusion_matrix

CLASSES = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
COUNTS = [90, 260, 66, 17, 52, 5, 5, 13]
LRS = (0.01, 0.03, 0.1)
EPOCHS = 8


def make_run(arm: str, skill: float, seed: int = 0) -> RunRecord:
    """A classifier whose scores are noise plus `skill` on the true class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(8), COUNTS)
    scores = rng.normal(size=(len(labels), 8))
    scores[np.arange(len(labels)), labels] += skill
    metrics = classification_metrics(scores, labels, CLASSES)
    return RunRecord(
        arm=arm,
        config="configs/benchmarks/classification/isic2019/small.py",
        ssl_config=None if arm == "scratch" else "configs/selfsup/simclr/small.py",
        weights=None if arm == "scratch" else "ssl/latest.pth",
        ssl_on=None if arm == "scratch" else "train",
        seed=0,
        fold=0,
        lr=0.03,
        epochs=EPOCHS,
        n_test=len(labels),
        balanced_accuracy=metrics["balanced_accuracy"],
        accuracy=metrics["accuracy"],
        macro_auc=metrics["macro_auc"],
        recall={name: metrics[f"recall_{name}"] for name in CLASSES},
        confusion_matrix=confusion_matrix(scores, labels, 8).tolist(),
        seconds=63.0,
        checkpoint=f"finetune/{arm}/final/latest.pth",
    )


def make_search(arm: str, values: tuple[float | None, ...]) -> list[SearchRecord]:
    return [
        SearchRecord(arm, lr, EPOCHS, v, False, 50.0) for lr, v in zip(LRS, values, strict=True)
    ]


def write_log(folder: Path, epochs: int, start: float, val: float | None = None) -> None:
    """A log as mmcv's TextLoggerHook writes it: a line about the run, then a line a record."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[dict] = [{"env_info": "...", "seed": 0}]
    for epoch in range(1, epochs + 1):
        for i in (10, 20):
            loss = start * math.exp(-0.25 * (epoch + i / 20)) + 0.4
            lines.append(
                {"mode": "train", "epoch": epoch, "iter": i, "lr": 0.03, "loss": round(loss, 5)}
            )
        if val is not None:
            score = val * (1 - math.exp(-0.5 * epoch))
            lines.append(
                {"mode": "val", "epoch": epoch, "iter": 7, "lr": 0.03, "balanced_accuracy": score}
            )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "20240101_000000.log.json").write_text(text)


def write_finished_study(folder: Path) -> None:
    """Fill a work directory with results.json, logs and a resolved config."""
    search = []
    for arm, values in (("scratch", (0.36, 0.42, 0.40)), ("simclr", (0.47, 0.55, 0.52))):
        for lr, value in zip(LRS, values, strict=True):
            write_log(folder / "finetune" / arm / f"lr_{lr:g}", EPOCHS, 2.0, value)
            search.append(SearchRecord(arm, lr, EPOCHS, value, lr == 0.03, 50.0))
        write_log(folder / "finetune" / arm / "final", EPOCHS, 2.0)
    write_log(folder / "ssl", 30, 4.0)
    (folder / "ssl" / "small.py").write_text("model = dict(type='SimCLR')\nname = '<b>'\n")
    results = Results(
        study={
            "algorithm": "simclr",
            "fold": 0,
            "seed": 0,
            "demo": True,
            "date": "2024-01-01",
            "version": "1.0.0",
        },
        runs=[make_run("scratch", 1.0), make_run("simclr", 1.9)],
        lr_search=search,
        ssl={
            "config": "configs/selfsup/simclr/small.py",
            "epochs": 30,
            "seconds": 90.0,
            "images_of": "train",
        },
        split={
            part: dict(zip(CLASSES, [n * k for n in COUNTS], strict=True))
            for part, k in (("train", 4), ("subtrain", 3), ("val", 1), ("test", 1))
        },
        environment={"Machine": "2 cores", "torch": "2.15.0"},
        commands=["python tools/train.py configs/x.py --work_dir w --cfg-options a=1"],
    )
    results.write(folder / "results.json")
