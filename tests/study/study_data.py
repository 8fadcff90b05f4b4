"""What trainings leave behind, made of numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from mmselfsup.metrics import classification_metrics, confusion_matrix
from mmselfsup.study.records import Results, RunRecord, SearchRecord, SslRecord, StudyFacts

CLASSES = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
COUNTS = [90, 260, 66, 17, 52, 5, 5, 13]
LRS = (0.01, 0.03, 0.1)
EPOCHS = 8


def make_facts(**changes: object) -> StudyFacts:
    """The settings of a study on the first fold, as far as the first version stored them."""
    facts: dict = {
        "algorithms": (),
        "compare": False,
        "fold": 0,
        "seed": 0,
        "demo": False,
        "ssl_configs": (),
        "finetune_config": "configs/benchmarks/classification/isic2019/small.py",
        "date": "2024-01-01",
        "version": "1.0.0",
    }
    return StudyFacts(**{**facts, **changes})


def make_ssl(name: str, ssl_on: str = "train") -> SslRecord:
    """A pre-training of thirty epochs."""
    return SslRecord(name, f"configs/selfsup/{name}/small.py", 30, ssl_on, 0.5, 90.0)


def make_run(arm: str, skill: float, seed: int = 0, ssl_on: str = "train") -> RunRecord:
    """A classifier whose scores are noise plus ``skill`` on the true class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(8), COUNTS)
    scores = rng.normal(size=(len(labels), 8))
    scores[np.arange(len(labels)), labels] += skill
    metrics = classification_metrics(scores, labels, CLASSES)
    return RunRecord(
        arm=arm,
        config="configs/benchmarks/classification/isic2019/small.py",
        ssl=[] if arm == "scratch" else [make_ssl(arm, ssl_on)],
        weights=None if arm == "scratch" else f"ssl/{arm}/backbone.pth",
        ssl_on=None if arm == "scratch" else ssl_on,
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


def write_finished_study(
    folder: Path, arms: dict[str, float] | None = None, ssl_on: str = "train"
) -> None:
    """Fill a work directory with results.json, logs and a resolved config.

    Args:
        folder: The work directory.
        arms: Skill of the classifiers by arm, see ``make_run``.
        ssl_on: Images that the pre-trainings saw.
    """
    arms = {"scratch": 1.0, "simclr": 1.9} if arms is None else arms
    search = []
    for i, arm in enumerate(arms):
        for lr, value in zip(LRS, (0.36 + i / 10, 0.42 + i / 10, 0.40 + i / 10), strict=True):
            write_log(folder / "finetune" / arm / f"lr_{lr:g}", EPOCHS, 2.0, value)
            search.append(SearchRecord(arm, lr, EPOCHS, value, lr == 0.03, 50.0))
        write_log(folder / "finetune" / arm / "final", EPOCHS, 2.0)
    names = [arm for arm in arms if arm != "scratch"]
    for name in names:
        write_log(folder / "ssl" / name, 30, 4.0)
        (folder / "ssl" / name / "small.py").write_text("model = dict()\nname = '<b>'\n")
    results = Results(
        study=make_facts(algorithms=tuple(names), compare=len(names) > 1, demo=True),
        runs=[make_run(arm, skill, ssl_on=ssl_on) for arm, skill in arms.items()],
        lr_search=search,
        ssl=[make_ssl(name, ssl_on) for name in names],
        split={
            part: dict(zip(CLASSES, [n * k for n in COUNTS], strict=True))
            for part, k in (("train", 4), ("subtrain", 3), ("val", 1), ("test", 1))
        },
        environment={"Machine": "2 cores", "torch": "2.15.0"},
        commands=["python tools/train.py configs/x.py --work_dir w --cfg-options a=1"],
    )
    results.write(folder / "results.json")
