"""The command ``mmselfsup``: what it runs, configs by name, which project it is."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from mmselfsup.cli import COMMANDS
from mmselfsup.cli import main as command
from mmselfsup.cli.info import foreign_copies
from mmselfsup.utils import repository as place
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.repository import config_files, config_names, find_config, repository
from mmselfsup.version import PROJECT, __version__

ROOT = Path(__file__).parents[2]


def run(*argv: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command in this process; return what it printed."""
    monkeypatch.setattr(sys, "argv", ["mmselfsup", *argv])
    with pytest.raises(SystemExit) as end:
        command()
    printed = capsys.readouterr()
    return f"{end.value.code or 0} {printed.out}{printed.err}"


@pytest.mark.parametrize("name", [name for name, found in COMMANDS.items() if found.tool])
def test_every_command_is_a_tool(name: str) -> None:
    assert (ROOT / COMMANDS[name].tool).is_file()


@pytest.mark.parametrize("name", ["train", "test", "predict", "embed", "export", "info"])
def test_help_names_the_command(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = run(name, "--help", monkeypatch=monkeypatch, capsys=capsys)
    assert text.startswith(f"0 usage: mmselfsup {name} ")


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['mmselfsup', 'export', '--help']\n"
        "import mmselfsup.cli\n"
        "try: mmselfsup.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'mmcv', 'cv2'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_no_command_and_wrong_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = run(monkeypatch=monkeypatch, capsys=capsys)
    assert text.startswith("0 usage: mmselfsup {train,test,predict,")
    assert all(found.help in text for found in COMMANDS.values())
    text = run("trian", monkeypatch=monkeypatch, capsys=capsys)
    assert text == f"2 error: there is no command 'trian': choose one of {', '.join(COMMANDS)}\n"


def test_errors_of_a_tool_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = run("train", "simclr_isic", monkeypatch=monkeypatch, capsys=capsys)
    assert text.startswith("2 error: there is no config simclr_isic; similar names: ")
    assert text.count("\n") == 1


def test_configs_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = ROOT / "configs/selfsup/simclr/simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"
    below = path.relative_to(ROOT)
    for name in (
        "simclr_resnet18_isic2019-64",
        path.stem,
        str(below),
        str(below.relative_to("configs")),
        str(below.relative_to("configs").with_suffix("")),
    ):
        assert Path(find_config(name)) == path
    (tmp_path / "own.py").write_text("")
    assert find_config("own.py") == "own.py"
    assert find_config("no/such.py") == "no/such.py"  # whoever reads it says so


def test_the_plainest_of_several_configs_is_meant() -> None:
    """A config of a variant has a part more in its name: that part asks for it."""
    for name, stem in (
        ("resnet18_custom-64", "resnet18_1xb32-coslr-30e_custom-64"),
        ("resnet18_multi-label_custom-64", "resnet18_1xb32-coslr-30e_multi-label_custom-64"),
        ("resnet18_isic2019-64", "resnet18_1xb128-coslr-30e_isic2019-64"),
    ):
        assert Path(find_config(name)).stem == stem


def test_every_config_is_found_by_its_name() -> None:
    assert len(config_names()) == len(set(config_names())) == len(config_files())
    assert [Path(find_config(name)) for name in config_names()] == config_files()


def test_names_of_several_or_no_configs() -> None:
    with pytest.raises(UserError, match=r"resnet50_in1k may be \d+ configs.* and \d+ more"):
        find_config("resnet50_in1k")
    with pytest.raises(UserError) as error:
        find_config("simsiam_resnet50_in1k")
    assert str(error.value) == (
        "simsiam_resnet50_in1k may be 2 configs, name one: "
        "simsiam_resnet50_8xb32-coslr-100e_in1k (8xb32-coslr-100e), "
        "simsiam_resnet50_8xb32-coslr-200e_in1k (8xb32-coslr-200e)"
    )
    with pytest.raises(UserError, match="there is no config simclr_resnet18_isic; similar names"):
        find_config("simclr_resnet18_isic")
    with pytest.raises(UserError, match="no config qqqqqqqqqq; give the path"):
        find_config("qqqqqqqqqq")


def test_a_wheel_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repository() == ROOT
    (tmp_path / "mmselfsup/.mim/tools").mkdir(parents=True)
    monkeypatch.setattr(place, "_PACKAGE", tmp_path / "mmselfsup")
    repository.cache_clear()
    assert repository() == tmp_path / "mmselfsup/.mim"
    repository.cache_clear()


def test_info(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = run("info", "--short", monkeypatch=monkeypatch, capsys=capsys)
    assert text.startswith(f"0 mmselfsup {__version__}: {PROJECT}\npackage: {ROOT}/mmselfsup\n")


def test_another_project_of_this_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, version, summary in (
        ("other", "1.0.0", "OpenMMLab Self-Supervised Learning Toolbox and Benchmark"),
        ("own", "2.0.0", PROJECT),
    ):
        info = tmp_path / folder / f"mmselfsup-{version}.dist-info"
        info.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: mmselfsup\nVersion: {version}\nSummary: {summary}\n"
        (info / "METADATA").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "own"), str(tmp_path / "other")])
    importlib.invalidate_caches()
    (line,) = foreign_copies()
    assert line.startswith(f"{tmp_path}/other holds another mmselfsup, 1.0.0 (OpenMMLab")


def test_completion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")

    def complete(line: str) -> list[str]:
        out = tmp_path / "out"
        env = {
            "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "_ARGCOMPLETE": "1",
            "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": " ",
            "COMP_TYPE": "9", "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
        }  # fmt: skip
        subprocess.run([sys.executable, "-m", "mmselfsup"], env=env, check=False, timeout=120)
        return out.read_text().split()

    assert complete("mmselfsup pre") == ["predict"]
    assert "--auto-resume" in complete("mmselfsup train --auto-r")[0]
    assert "simclr_resnet18_1xb128-coslr-100e_isic2019-64" in complete("mmselfsup train simclr_res")
