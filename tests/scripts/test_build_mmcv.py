"""The patched source of mmcv: what is changed, and that other sources are refused."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "build_mmcv.py"
SETUP = """
def get_version():
    version_file = 'mmcv/version.py'
    with open(version_file, 'r', encoding='utf-8') as f:
        exec(compile(f.read(), version_file, 'exec'))
    return locals()['__version__']
"""
LOADER = """import importlib
import pkgutil


def check_ops_exist():
    return pkgutil.find_loader('json') is not None
"""


@pytest.fixture
def tool() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "mmcv" / "utils").mkdir(parents=True)
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / "mmcv" / "version.py").write_text("__version__ = '1.7.2'\n")
    (tmp_path / "mmcv" / "utils" / "ext_loader.py").write_text(LOADER)
    return tmp_path


def test_the_patched_source_runs_on_any_python(
    tool: dict[str, Any], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # a second time nothing is left to change
        tool["patch"](source)
    monkeypatch.chdir(source)
    assert runpy.run_path("setup.py")["get_version"]() == "1.7.2"
    loader = (source / "mmcv" / "utils" / "ext_loader.py").read_text()
    assert "pkgutil" not in loader
    assert runpy.run_path("mmcv/utils/ext_loader.py")["check_ops_exist"]()


def test_another_source_is_refused(tool: dict[str, Any], source: Path) -> None:
    (source / "setup.py").write_text("from setuptools import setup\n")
    with pytest.raises(SystemExit, match=r"setup\.py is not that of mmcv 1\.7\.2: it lacks"):
        tool["patch"](source)
    (source / "setup.py").unlink()
    with pytest.raises(SystemExit, match="is not that of mmcv"):
        tool["patch"](source)


def test_pip_that_finds_no_source_is_one_line(
    tool: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(SystemExit, match=r"pip has not unpacked mmcv 1\.7\.2: ERROR: No matching"):
        tool["unpacked_source"](tmp_path)
