"""Writing: repeatable, continued after a stop, and never over something else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.isic.demo import dataset, photograph
from mmselfsup.isic.demo.dataset import DemoSettings, make_demo_data
from mmselfsup.utils.errors import UserError

SMALL = DemoSettings(num_images=70, size=24, seed=5)
TOOL = Path(__file__).parents[3] / "tools" / "isic2019" / "make_demo_data.py"


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("small")
    make_demo_data(root, SMALL, workers=1)
    return contents(root)


def test_equal_seeds_give_equal_bytes_with_any_number_of_processes(
    small: dict[str, bytes], tmp_path: Path
) -> None:
    make_demo_data(tmp_path / "new", SMALL, workers=2)
    assert contents(tmp_path / "new") == small


def test_drawing_processes_import_numpy_and_opencv_only() -> None:
    """They start again for every data set, so what they load is waited for."""
    modules = {function.__module__ for function in (dataset.draw_batch, dataset.set_up_process)}
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    path = os.pathsep.join([str(TOOL.parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert {"numpy", "cv2"} <= loaded
    assert not loaded & {"torch", "mmcv", "pandas", "PIL", "tqdm", "rich", "matplotlib", "scipy"}


def test_another_seed_gives_other_files(small: dict[str, bytes], tmp_path: Path) -> None:
    make_demo_data(tmp_path, DemoSettings(70, 24, seed=6), workers=1)
    other = contents(tmp_path)
    assert other.keys() == small.keys()
    assert all(other[name] != small[name] for name in small)


def test_a_stopped_run_is_continued(
    small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0
    render = photograph.render

    def stop_after_40(*args: Any) -> object:
        nonlocal drawn
        drawn += 1
        if drawn == 41:
            raise KeyboardInterrupt
        return render(*args)

    monkeypatch.setattr(photograph, "render", stop_after_40)
    with pytest.raises(KeyboardInterrupt):
        make_demo_data(tmp_path, SMALL, workers=1)
    images = tmp_path / "ISIC_2019_Training_Input"
    assert len(list(images.glob("*.jpg"))) == 40
    assert not list(tmp_path.glob("*.csv"))
    (images / ".ISIC_0000060.jpg.tmp").write_bytes(b"half an image")
    drawn = -1000
    make_demo_data(tmp_path, SMALL, workers=1)
    assert drawn == -1000 + 30
    assert contents(tmp_path) == small


def test_a_finished_set_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_demo_data(tmp_path, SMALL, workers=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr(photograph, "render", None)
    make_demo_data(tmp_path, SMALL, workers=1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_other_data_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "ISIC_2019_Training_GroundTruth.csv").write_text("real")
    with pytest.raises(UserError, match="holds other files"):
        make_demo_data(tmp_path, SMALL)
    assert contents(tmp_path) == {"ISIC_2019_Training_GroundTruth.csv": b"real"}


def test_other_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(json.dumps({"num_images": 71}))
    with pytest.raises(UserError, match="made with"):
        make_demo_data(tmp_path, SMALL)
    (tmp_path / "demo.json").write_text("{")
    with pytest.raises(UserError, match=r"can't read .*demo\.json"):
        make_demo_data(tmp_path, SMALL)


@pytest.mark.parametrize(
    ("values", "message"),
    [((3, 24, 0), "at least 16"), ((64, 4, 0), "16 to 1024"), ((64, 24, -1), "0 or more")],
)
def test_bad_values_are_refused(values: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DemoSettings(*values)


def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), "--out", str(tmp_path / "out"), "--size", "4"]
    path = os.pathsep.join([str(TOOL.parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "error: --size is 4; give 16 to 1024 pixels\n"
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file"):
        make_demo_data(tmp_path / "out", SMALL)
