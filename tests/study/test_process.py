"""Commands run, side by side, in forks or as new processes; all end with their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmselfsup.study import process as machines
from mmselfsup.study.process import Command, Machine, describe_machine, run_all
from mmselfsup.study.stages.stage import Stage, run_stages
from mmselfsup.study.step import STARTED
from mmselfsup.utils.errors import STOPPED, Stopped

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


STUBBORN = """
import os, signal, sys, time
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("warm", [True, False])
def test_what_a_command_has_started_ends_with_it(root: Path, warm: bool) -> None:
    (root / "job.py").write_text(STUBBORN)
    ended: list[int | None] = []

    def stop_when_started() -> None:
        if (root / "child").exists() and (root / "child").read_text():
            raise KeyboardInterrupt

    command = Command(("job.py", "child"), root, root / "log")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all([command], 1, warm, 1, lambda _, code, __: ended.append(code), stop_when_started)
    assert time.monotonic() - began < 15
    assert ended == [None]
    until = time.monotonic() + 15  # the kernel takes a moment
    while _alive((root / "child").read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive((root / "child").read_text())


def test_training_dies_with_a_study_that_was_killed(root: Path) -> None:
    (root / "job.py").write_text(
        "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    study = (
        "import sys, pathlib\nfrom mmselfsup.study.process import run_all\n"
        "from mmselfsup.study.process import Command\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "run_all([Command(('job.py', 'pid'), root)], 1, False, 1, lambda *_: None)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", study, str(root)])
    pid = ""
    while not pid:
        time.sleep(0.05)
        pid = (root / "pid").read_text() if (root / "pid").exists() else ""
    process.kill()
    process.wait()
    until = time.monotonic() + 15
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_command_reads_as_on_the_command_line() -> None:
    command = Command(("tools/train.py", "a.py", "--cfg-options", "x=my file"), Path("."))
    assert str(command) == "python tools/train.py a.py --cfg-options 'x=my file'"


def test_environment_of_this_process_stays(root: Path) -> None:
    before = dict(os.environ)
    run_all([job(root, "a")], 1, True, 7, lambda *_: None)
    assert dict(os.environ) == before


ORPHAN = """
import os, sys
from mmselfsup.study.process import _become_group
parent = os.getpid()
if os.fork() == 0:
    if os.fork() == 0:  # its parent is not the process that asked for it
        _become_group(parent)
        open(sys.argv[1], "w")
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize("system", ["with prctl", "without"])
def test_a_start_whose_parent_has_died_ends(tmp_path: Path, system: str) -> None:
    """The signal for a dead parent never comes if it died before the process asked for it."""
    code = ORPHAN
    if system == "without":  # macOS
        code = "from mmselfsup.study import process; process._PRCTL = None\n" + code
    # the pipe is open until the orphan has ended
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "alive")], check=True, capture_output=True
    )
    assert not (tmp_path / "alive").exists()


SAVES = """
import os, signal, sys, time
def stop(*_):
    time.sleep(0.5)
    open("saved", "w").write("x")
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
open("ready", "w").write("x")
time.sleep(float(sys.argv[1]))
sys.exit(75)
"""
STUDY = """
import sys, pathlib
from mmselfsup.study.process import Command, run_all
from mmselfsup.utils.errors import run_cli
from mmselfsup.utils.signals import stop_signals
def main():
    root = pathlib.Path(sys.argv[1])
    with stop_signals("; the same command continues"):
        run_all([Command(("job.py", "60"), root)], 1, sys.argv[2] == "warm", 1, lambda *_: None)
run_cli(main)
"""


@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGTERM, "cold"), (signal.SIGUSR1, "warm"), (signal.SIGINT, "cold")],
)
def test_a_study_waits_for_the_checkpoint_of_its_stage(
    root: Path, number: signal.Signals, kind: str
) -> None:
    (root / "job.py").write_text(SAVES)
    process = subprocess.Popen(
        [sys.executable, "-c", STUDY, str(root), kind], stderr=subprocess.PIPE, text=True
    )
    while not (root / "ready").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    text = process.communicate()[1]
    assert process.returncode == STOPPED, text
    assert (root / "saved").exists()
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert f"stopped by {name}; the same command continues" in text
    assert "waiting for the checkpoint" in text


def test_a_stage_that_was_asked_to_stop_stops_the_study(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("import sys\nsys.exit(75)\n")
    stage = Stage("a", tmp_path / "a", ("job.py",), tmp_path, logged=True)
    with pytest.raises(Stopped) as stop:
        run_stages("Jobs", [stage], Machine(cores=1, gpus=0, warm=True))
    assert stop.value.message == "a was asked to stop; the same command continues the study"
    assert stage.record.state == STARTED


def test_what_is_left_of_a_study_runs_with_as_many_threads_as_before(tmp_path: Path) -> None:
    """Sums of another number of threads have other last bits."""
    (tmp_path / "job.py").write_text(
        "import os, sys\nopen(sys.argv[1] + '.txt', 'w').write(os.environ['OMP_NUM_THREADS'])\n"
    )
    stages = [
        Stage(name, tmp_path / name, ("job.py", f"of_{name}"), tmp_path, logged=True)
        for name in ("a", "b")
    ]
    here = Machine(cores=4, gpus=0, warm=False)
    run_stages("Jobs", stages, here)
    together = (tmp_path / "of_b.txt").read_text()
    (tmp_path / "b" / ".step.json").unlink()  # as if it had been killed before
    run_stages("Jobs", stages, here)
    assert (tmp_path / "of_b.txt").read_text() == together == "2"


@pytest.mark.parametrize(("names", "end"), [("", "no GPU"), ("H200", "H200")])
def test_a_machine_is_named_by_its_parts(
    names: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "_gpu_names", lambda count: names)
    text = describe_machine(Machine(cores=3, gpus=int(bool(names)), warm=False))
    assert text.endswith(f", 3 cores, {end}")
