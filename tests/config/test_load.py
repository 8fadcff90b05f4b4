"""Configs and overrides: what is read, and how errors are reported."""

import sys
from pathlib import Path

import pytest

from mmselfsup.config.load import read_config
from mmselfsup.utils.errors import UserError


def test_bases_lists_of_bases_and_delete(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("model = dict(type='A', depth=18, width=2)\n")
    (tmp_path / "two.py").write_text("optimizer = dict(type='SGD', lr=0.1)\n")
    (tmp_path / "leaf.py").write_text(
        "_base_ = ['one.py', 'two.py']\nmodel = dict(depth=50)\n"
        "optimizer = dict(_delete_=True, type='LARS')\n"
    )
    cfg = read_config(str(tmp_path / "leaf.py"), ["model.width=4", "optimizer.eps=1e-8"])
    assert cfg.model == {"type": "A", "depth": 50, "width": 4}
    assert cfg.optimizer == {"type": "LARS", "eps": 1e-8}


@pytest.mark.parametrize(
    ("leaf", "base", "message"),
    [
        ("a = dict(\n", "", r"leaf\.py, line 1: syntax error"),
        ("_base_ = 'base.py'\n", "x = 1\ny = = 2\n", r"base\.py, line 2: syntax error"),
        ("_base_ = 'base.py'\n", "x = 1\n\ny = z + 1\n", r"base\.py, line 3: NameError.*'z'"),
        ("_base_ = 'gone.py'\n", "", r"gone\.py"),
        ("_base_ = ['base.py', 'base.py']\n", "x = 1\n", r"Duplicate key"),
        (
            "custom_imports = dict(imports=['no_module_of_mine'])\n",
            "",
            r"leaf\.py: custom_imports: .*'no_module_of_mine'; set PYTHONPATH",
        ),
        ("_base_ = 'base.py'\nx = 5\n", "x = dict(a=1)\n", r"leaf\.py.*TypeError"),
    ],
)
def test_broken_files_are_named_with_their_line(
    leaf: str, base: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "leaf.py").write_text(leaf)
    (tmp_path / "base.py").write_text(base)
    if "x = 5" in leaf:
        assert read_config(str(tmp_path / "leaf.py")).x == 5  # mmcv: a plain value replaces
        (tmp_path / "leaf.py").write_text("_base_ = 'base.py'\nx = dict(a=dict(b=1))\n")
    with pytest.raises(UserError, match=message):
        read_config(str(tmp_path / "leaf.py"))


def test_override_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "leaf.py").write_text("steps = [dict(a=1)]\n")
    with pytest.raises(UserError, match=r"--cfg-options steps\.7\.a"):
        read_config(str(tmp_path / "leaf.py"), ["steps.7.a=2"])


def test_only_the_override_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "leaf.py").write_text("steps = [dict(a=1)]\nb = 1\n")
    with pytest.raises(UserError, match=r"--cfg-options steps\.7\.a: "):
        read_config(str(tmp_path / "leaf.py"), ["b=2", "steps.7.a=2", "c=3"])


def test_custom_imports_on_the_command_line_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaf.py").write_text("a = 1\n")
    (tmp_path / "module_of_mine.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    read_config(str(tmp_path / "leaf.py"), ["custom_imports={'imports':['module_of_mine']}"])
    assert sys.modules.pop("module_of_mine", None) is not None


@pytest.mark.parametrize("sign", ['"', "\\"])
def test_sign_in_the_folder_that_a_config_names(tmp_path: Path, sign: str) -> None:
    folder = tmp_path / f"my {sign}own{sign} study"
    folder.mkdir()
    (folder / "base.py").write_text("x = 1\n")
    (folder / "leaf.py").write_text(
        "import mmcv\n_base_ = 'base.py'\n"
        'y = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).x\n'
    )
    (folder / "top.py").write_text("_base_ = 'leaf.py'\n")
    with pytest.raises(UserError) as caught:
        read_config(str(folder / "top.py"))
    message = str(caught.value)
    assert message.startswith(f"{folder / 'leaf.py'}: ")
    assert f"rename the folder {folder}" in message
    assert "\n" not in message


def test_missing_file() -> None:
    with pytest.raises(UserError, match=r"no config nowhere\.py"):
        read_config("nowhere.py")
