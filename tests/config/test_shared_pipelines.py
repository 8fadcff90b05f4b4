"""Each pipeline of ``configs/`` has one home, from which the configs that use it take it."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest
from mmcv import Config

from mmselfsup.config.load import load_config

CONFIGS = Path(__file__).parents[2] / "configs"
#: Fewer steps (crop, flip, to tensor, normalise) are as quickly read as found.
MIN_STEPS = 5


def written_runs(path: Path) -> set[tuple[str, ...]]:
    """Return all runs of MIN_STEPS steps in the lists of transforms that a config writes out."""
    lists = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.List))
    runs = set()
    for node in lists:
        if all(isinstance(item, ast.Call | ast.Starred) for item in node.elts):
            steps = [ast.dump(item) for item in node.elts]
            starts = range(len(steps) - MIN_STEPS + 1)
            runs |= {tuple(steps[start : start + MIN_STEPS]) for start in starts}
    return runs


def test_no_part_of_a_pipeline_is_written_twice() -> None:
    homes = defaultdict(list)
    for path in sorted(CONFIGS.rglob("*.py")):
        for run in written_runs(path):
            homes[run].append(str(path.relative_to(CONFIGS)))
    assert len(homes) > 10
    assert [files for files in homes.values() if len(files) > 1] == []


@pytest.mark.parametrize("read", [load_config, Config.fromfile])
def test_list_of_a_base_with_one_step_more(tmp_path: Path, read: object) -> None:
    """What docs/en/tutorials/0_config.md shows, by our own reader and by mmcv's."""
    (tmp_path / "base.py").write_text(
        "img_norm_cfg = dict(mean=[0.5, 0.5, 0.5], std=[1.0, 1.0, 1.0])\n"
        "train_pipeline = [dict(type='RandomResizedCrop', size=64), dict(type='ToTensor')]\n"
        "data = dict(train=dict(pipeline=train_pipeline, type='SingleViewDataset'))\n"
    )
    (tmp_path / "leaf.py").write_text(
        "import mmcv\n"
        "_base_ = 'base.py'\n"
        "crop, *others = mmcv.Config.fromfile('{{ fileDirname }}/' + _base_).train_pipeline\n"
        "train_pipeline = [dict(crop, size=48), dict(type='RandomVerticalFlip'), *others]\n"
        "data = dict(train=dict(pipeline=train_pipeline))\n"
        "del crop, others\n"
    )
    cfg = read(str(tmp_path / "leaf.py"))  # type: ignore[operator]
    assert [step.type for step in cfg.data.train.pipeline] == [
        "RandomResizedCrop",
        "RandomVerticalFlip",
        "ToTensor",
    ]
    assert cfg.data.train.pipeline[0].size == 48
    assert not {"crop", "others", "mmcv"} & set(cfg)
    base = read(str(tmp_path / "base.py"))  # type: ignore[operator]
    assert base.data.train.pipeline[0].size == 64
