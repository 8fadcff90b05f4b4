"""YAML and JSON configs are data: reading one runs nothing."""

from pathlib import Path
from typing import Any

import pytest

from mmselfsup.config.files import read_data_config
from mmselfsup.config.load import read_config
from mmselfsup.utils.errors import UserError
from tests.tools.command import run_tool

EVIL = "model: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{}]]\n"


@pytest.mark.parametrize("reader", [read_config, read_data_config])
@pytest.mark.parametrize("as_base", [False, True])
def test_tags_run_no_code(reader: Any, as_base: bool, tmp_path: Path) -> None:
    mark, file, leaf = tmp_path / "mark", tmp_path / "evil.yaml", tmp_path / "leaf.yaml"
    file.write_text(EVIL.format(mark))
    leaf.write_text("_base_: evil.yaml\n")
    with pytest.raises(UserError, match=r"evil\.yaml.*python/object/apply") as error:
        reader(str(leaf if as_base else file))
    assert "\n" not in str(error.value)
    assert not mark.exists()


def test_yaml_with_tuples_and_bases_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("a: {b: 1, c: !!python/tuple [1, 2]}\n")
    leaf = tmp_path / "leaf.yaml"
    leaf.write_text("_base_: ./base.yml\na: {b: 2}\n")
    expected = {"a": {"b": 2, "c": (1, 2)}}
    assert read_config(str(leaf))._cfg_dict.to_dict() == expected
    assert read_data_config(str(leaf)) == expected


def test_mmcv_reads_yaml_as_before_afterwards(tmp_path: Path) -> None:
    from mmcv.fileio.io import file_handlers

    before = dict(file_handlers)
    (tmp_path / "x.yaml").write_text("a: 1\n")
    read_config(str(tmp_path / "x.yaml"))
    assert file_handlers == before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.yaml", "_base_: evil.py\n", r"evil\.py: a Python config is a program"),
        ("x.yaml", "_base_: x.yaml\n", "base of itself"),
        ("x.yaml", "_base_: {a: 1}\n", "_base_ must be a path"),
        ("x.yaml", "_base_: gone.yaml\n", "there is no config"),
        ("x.json", "[1]", "a config is a dict"),
        ("x.json", "{", "JSONDecodeError"),
    ],
)
def test_safe_refuses(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_data_config(str(tmp_path / name))


def test_print_config_safe(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("open('mark', 'w')\n")
    (tmp_path / "x.yaml").write_text("a: 1\ncustom_imports: {imports: [evil]}\n")
    done = run_tool("misc/print_config.py", "x.yaml", "--safe", folder=tmp_path)
    assert done.code == 0, done.text
    assert "a = 1" in done.text
    done = run_tool("misc/print_config.py", "evil.py", "--safe", folder=tmp_path)
    assert done.code == 2
    assert "a Python config is a program" in done.last_line
    assert not (tmp_path / "mark").exists()
