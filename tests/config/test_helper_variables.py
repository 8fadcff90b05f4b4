"""Names of a config file that are no settings."""

from pathlib import Path

from mmselfsup.config.check import helper_variables


def write(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_read_again_in_the_same_file(tmp_path: Path) -> None:
    file = write(tmp_path / "a.py", "size = 64\nunused = 1\ndata = dict(size=size)\nmodel = {}\n")
    assert helper_variables(file) == {"size"}


def test_bases_of_bases_and_references_to_them(tmp_path: Path) -> None:
    write(tmp_path / "base" / "deep.py", "norm = dict(mean=[0.5])\nother = 2\nlonely = 3\n")
    write(tmp_path / "base" / "mid.py", "_base_ = 'deep.py'\nx = 1\ny = x + 1\n")
    file = write(
        tmp_path / "leaf.py",
        "_base_ = ['base/mid.py']\ndata = dict(mean={{_base_.norm.mean}}, o={{ _base_.other }})\n",
    )
    assert helper_variables(file) == {"norm", "other", "x"}


def test_loops_imports_and_comprehensions(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.py",
        "import os.path as osp\nfrom math import pi\nsteps = []\n"
        "for i in range(3):\n    steps.append(i)\nlr_config = dict(step=[s for s in steps])\n",
    )
    assert helper_variables(file) == {"osp", "pi", "steps", "i", "s"}


def test_circle_missing_base_and_other_formats(tmp_path: Path) -> None:
    file = write(tmp_path / "a.py", "_base_ = ['a.py', 'no.py']\nx = 1\ny = x\n")
    assert helper_variables(file) == {"x"}
    assert helper_variables(write(tmp_path / "a.json", "{}")) == set()
    dynamic = write(tmp_path / "b.py", "_base_ = 'a' + '.py'\n")
    assert helper_variables(dynamic) == set()
