"""Commands run, side by side, in forks or afresh; all end with their parent."""

import os
import sys
import time
from pathlib import Path

import pytest

from mmselfsup.study.launch import Command, run_all

SCRIPT = """
import os, sys, time
print("hello", sys.argv[1:], os.environ["OMP_NUM_THREADS"], os.getcwd())
open(sys.argv[1], "w").write(__name__)
time.sleep(float(sys.argv[2]))
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "job.py").write_text(SCRIPT)
    (tmp_path / "job.sh").write_text('echo hello "$@"; exit "$1"\n')
    return tmp_path


def job(root: Path, name: str, seconds: float = 0, code: int = 0) -> Command:
    return Command(("job.py", name, str(seconds), str(code)), root, root / f"{name}.log")


@pytest.mark.parametrize("warm", [True, False])
def test_exit_codes_logs_and_folders(root: Path, warm: bool) -> None:
    codes: dict[int, int | None] = {}
    commands = [job(root, "a"), job(root, "b", code=3), job(root, "c")]
    run_all(commands, 2, warm, 1, lambda number, code, _: codes.update({number: code}))
    assert codes == {0: 0, 1: 3, 2: 0}
    assert (root / "a").read_text() == "__main__"
    assert (root / "a.log").read_text() == f"hello ['a', '0', '0'] 1 {root}\n"
    assert Path.cwd() != root
    assert sys.argv[0] != "job.py"


def test_shell_script(root: Path) -> None:
    codes: list[int | None] = []
    command = Command(("job.sh", "4"), root, root / "log")
    run_all([command], 1, True, 1, lambda _, code, __: codes.append(code))
    assert codes == [4]
    assert (root / "log").read_text() == "hello 4\n"
    assert str(command) == "bash job.sh 4"


@pytest.mark.parametrize("warm", [True, False])
def test_the_others_end_when_one_fails(root: Path, warm: bool) -> None:
    ended: dict[int, int | None] = {}

    def on_end(number: int, code: int | None, seconds: float) -> None:
        ended[number] = code
        if code == 1:
            raise RuntimeError("failed")

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="failed"):
        run_all([job(root, "a", 60), job(root, "b", 0.3, 1)], 2, warm, 1, on_end)
    assert time.monotonic() - began < 20
    assert ended == {1: 1, 0: None}


def test_command_reads_as_typed() -> None:
    command = Command(("tools/train.py", "a.py", "--cfg-options", "x=my file"), Path("."))
    assert str(command) == "python tools/train.py a.py --cfg-options 'x=my file'"


def test_environment_of_this_process_stays(root: Path) -> None:
    before = dict(os.environ)
    run_all([job(root, "a")], 1, True, 7, lambda *_: None)
    assert dict(os.environ) == before
