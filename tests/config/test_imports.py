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
