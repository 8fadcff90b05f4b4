"""A folder that can't be written is told before the first step, not after the first epoch."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmcv.runner import HOOKS

import mmselfsup.core.hooks  # noqa: F401  (registers)
from mmselfsup.apis.preflight.written_folders import check_folders
from mmselfsup.models.utils.feature_cache import FeatureCache
from mmselfsup.models.utils.teacher import FrozenTeacher
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError


def check(folder: Path, **hook: Any) -> None:
    work_dir = folder / "run"
    work_dir.mkdir(exist_ok=True)
    hooks = [HOOKS.build(hook)]
    check_folders(SimpleNamespace(work_dir=f"{work_dir}/", hooks=hooks))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["CheckpointHook", "TextLoggerHook"])
def test_a_file_in_place_of_a_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run").write_text("in the place of the folder of this run")
    with pytest.raises(UserError, match=rf"{name}.out_dir: .*out/run: there is a file in place"):
        check(tmp_path, type=name, out_dir=str(tmp_path / "out"))
    (tmp_path / "out" / "run").unlink()
    check(tmp_path, type=name, out_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out" / "run").exists()  # it is tried, not made
    check(tmp_path, type=name)


def test_an_address_is_no_folder(tmp_path: Path) -> None:
    check(tmp_path, type="CheckpointHook", out_dir="s3://bucket/folder")


@pytest.mark.parametrize("key", ["out_dir", "log_dir"])
@pytest.mark.parametrize("value", [True, 1, 0.5, object(), b"x", {"a": 1}, [None, 3], "", ()])
def test_an_attribute_that_is_no_path_is_left_to_its_hook(
    value: Any, key: str, tmp_path: Path
) -> None:
    hook = SimpleNamespace(**{key: value})
    check_folders(SimpleNamespace(work_dir=str(tmp_path), hooks=[hook]))  # type: ignore[arg-type]


@pytest.mark.parametrize("several", [False, True])
def test_a_path_object_of_an_own_hook_is_checked(several: bool, tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("")
    folder = tmp_path / "maps"
    hook = SimpleNamespace(out_dir=[folder, "s3://bucket"] if several else folder)
    runner: Any = SimpleNamespace(work_dir=str(tmp_path / "run"), hooks=[hook])
    with pytest.raises(UserError, match=r"SimpleNamespace.out_dir: .*maps"):
        check_folders(runner)
    hook.out_dir = tmp_path / "run"
    check_folders(runner)


def test_tensorboard(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    with pytest.raises(UserError, match=r"TensorboardLoggerHook.log_dir: .* there is a file"):
        check(tmp_path, type="TensorboardLoggerHook", log_dir=str(tmp_path / "logs" / "x"))


def test_the_metrics_of_an_evaluation(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics").write_text("")
    hook = HOOKS.get("EvalHook").__new__(HOOKS.get("EvalHook"))
    hook.save_best, hook.out_dir = None, None
    runner: Any = SimpleNamespace(work_dir=str(tmp_path / "run"), hooks=[hook])
    with pytest.raises(UserError, match=r"metrics of the evaluation: can't write .*run/metrics"):
        check_folders(runner)


def test_the_features_of_a_teacher(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    teacher: Any = SimpleNamespace(cache=FeatureCache(str(tmp_path / "file" / "features")))
    with pytest.raises(UserError, match=r"teacher.cache: can't write into .*file/features"):
        FrozenTeacher.fit_dataset(teacher, DataInfo(8, 4))
