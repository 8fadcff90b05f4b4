"""A finished study, as the trainings would have left it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmselfsup.study.record import Results, SearchRecord
from tests.study.study_data import CLASSES, COUNTS, EPOCHS, LRS, make_run, write_log


@pytest.fixture
def finished_study(tmp_path: Path) -> Path:
    """A work directory with results.json, logs and a resolved config."""
    search = []
    for arm, values in (("scratch", (0.36, 0.42, 0.40)), ("simclr", (0.47, 0.55, 0.52))):
        for lr, value in zip(LRS, values, strict=True):
            write_log(tmp_path / "finetune" / arm / f"lr_{lr:g}", EPOCHS, 2.0, value)
            search.append(SearchRecord(arm, lr, EPOCHS, value, lr == 0.03, 50.0))
        write_log(tmp_path / "finetune" / arm / "final", EPOCHS, 2.0)
    write_log(tmp_path / "ssl", 30, 4.0)
    (tmp_path / "ssl" / "small.py").write_text("model = dict(type='SimCLR')\nname = '<b>'\n")
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
    results.write(tmp_path / "results.json")
    return tmp_path
