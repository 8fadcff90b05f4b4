"""Adaptations in a study are monitored on parts of the training list."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmcv import Config

from mmselfsup.study.stages import pretrain


def study_of(tmp_path: Path) -> Any:
    source = dict(type="ImageList", data_prefix="x", ann_file="y")
    test = dict(type="SingleViewDataset", data_source=source, pipeline=[dict(type="ToTensor")])
    return SimpleNamespace(
        settings=SimpleNamespace(
            work_dir=tmp_path / "my work", split=lambda name: tmp_path / f"{name}.txt"
        ),
        finetune=Config(dict(data=dict(samples_per_gpu=4, test=test))),
        images=tmp_path / "images",
    )


def test_adapted_tasks_get_a_monitor_on_training_lesions(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    (tmp_path / "my work").mkdir()
    task: Any = SimpleNamespace(cfg=Config(dict(adapt=dict(type="lora"))))
    options = pretrain.monitor_options(study, task)
    file = tmp_path / "my work" / "monitor_data.py"
    assert options == [
        f"adapt.monitor.data={str(file)!r}",
        "adapt.monitor.save_best=probe_balanced_accuracy",
    ]
    pretrain.write_monitor_data(study, task)
    data = Config.fromfile(str(file)).data
    lists = [data[part].data_source.ann_file for part in ("train", "val")]
    assert lists == [str(tmp_path / "subtrain.txt"), str(tmp_path / "val.txt")]


@pytest.mark.parametrize(
    "cfg", [{}, {"adapt": None}, {"adapt": {"type": "full", "monitor": False}},
            {"adapt": {"type": "full", "monitor": {"interval": 2}}}],
)  # fmt: skip
def test_others_are_left_alone(tmp_path: Path, cfg: dict[str, Any]) -> None:
    study, task = study_of(tmp_path), SimpleNamespace(cfg=Config(cfg))
    assert pretrain.monitor_options(study, task) == []  # type: ignore[arg-type]
    pretrain.write_monitor_data(study, task)  # type: ignore[arg-type]
    assert not (tmp_path / "my work").exists()
