"""``custom_imports``: modules of all bases, and why one can't be imported."""

import sys
from pathlib import Path

import pytest

from mmselfsup.config.files import read_data_config
from mmselfsup.config.load import read_config
from mmselfsup.utils.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("mine_a", "mine_b", "mine_c"):
        (tmp_path / f"{name}.py").write_text("x = 1\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def config(folder: Path, name: str, imports: str, base: str = "") -> str:
    path = folder / name
    path.write_text(f"_base_ = {base!r}\n" * bool(base) + f"custom_imports = dict({imports})\n")
    return str(path)


def test_modules_of_a_base_and_of_the_command_line_are_joined(folder: Path) -> None:
    config(folder, "base.py", "imports=['mine_a']")
    config(folder, "mid.py", "imports='mine_b'", "base.py")
    leaf = config(folder, "leaf.py", "imports=['mine_b']", "mid.py")
    cfg = read_config(leaf)
    assert cfg.custom_imports.imports == ["mine_a", "mine_b"]
    assert {"mine_a", "mine_b"} <= sys.modules.keys()
    cfg = read_config(leaf, ["custom_imports.imports=['mine_c']"])
    assert cfg.custom_imports.imports == ["mine_a", "mine_b", "mine_c"]
    assert "mine_c" in sys.modules


def test_data_configs_join_them_and_import_nothing(folder: Path) -> None:
    (folder / "base.yaml").write_text("custom_imports: {imports: [mine_a]}\n")
    (folder / "leaf.yaml").write_text("_base_: base.yaml\ncustom_imports: {imports: [mine_b]}\n")
    leaf = str(folder / "leaf.yaml")
    assert read_data_config(leaf)["custom_imports"] == {"imports": ["mine_a", "mine_b"]}
    assert "mine_a" not in sys.modules
    assert read_config(leaf).custom_imports.imports == ["mine_a", "mine_b"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nobody_has_this\n", r"faulty needs the module 'nobody_has_this'.*faulty\.py, li"),
        ("\nx = 1\ndef broken(:\n", r"faulty: .*faulty\.py, line 3: syntax error"),
        ("raise ImportError\n", r"faulty: .*faulty\.py, line 1: ImportError: at 'raise ImportEr"),
        ("import sys\nsys.exit(3)\n", r"faulty: .*faulty\.py, line 2: the module ends the prog"),
        ("import json\njson.loads('{')\n", r"faulty: .*faulty\.py, line 2: JSONDecodeError"),
        ("from json import nothing\n", r"faulty: .*faulty\.py, line 1: .*cannot import name 'no"),
        ("from .part import x\n", r"faulty: .*faulty\.py, line 1: ImportError: attempted rel"),
        ("x = 1\ny = {}['a']\n", r"faulty: .*faulty\.py, line 2: KeyError: 'a'"),
    ],
)
def test_cause_file_and_line(folder: Path, code: str, message: str) -> None:
    (folder / "faulty.py").write_text(code)
    leaf = config(folder, "leaf.py", "imports=['mine_a', 'faulty']")
    with pytest.raises(UserError, match=rf"leaf\.py: custom_imports: {message}"):
        read_config(leaf)


def test_failures_that_are_allowed_are_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    leaf = config(folder, "leaf.py", "imports=['not_mine', 'mine_a'], allow_failed_imports=True")
    read_config(leaf)
    assert "there is no module 'not_mine'" in caplog.text
    assert "mine_a" in sys.modules


def test_a_folder_without_code_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "bare").mkdir()
    read_config(config(folder, "leaf.py", "imports=['bare', 'mine_a']"))
    assert "bare is a folder without code" in caplog.text
    assert "mine_a is" not in caplog.text


@pytest.mark.parametrize(
    ("imports", "message"),
    [
        ("['']", "'' is no name of a module"),
        ("['.part']", "'.part' is no name of a module"),
        ("['a/b.py']", "'a/b.py' is no name of a module"),
        ("['a b']", "'a b' is no name of a module"),
        ("[3]", "3 is no name of a module"),
        ("{'a': 1}", "imports must be a list of modules"),
        ("5", "imports must be a list of modules, got 5"),
    ],
)
def test_what_is_no_module(imports: str, message: str, folder: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_config(config(folder, "leaf.py", f"imports={imports}"))


def test_a_list_in_place_of_a_dict(folder: Path) -> None:
    (folder / "leaf.py").write_text("custom_imports = ['mine_a']\n")
    with pytest.raises(UserError, match=r"custom_imports must be a dict, such as dict\(imports"):
        read_config(str(folder / "leaf.py"))
