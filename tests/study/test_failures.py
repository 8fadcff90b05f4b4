"""A command that fails: the message tells why, and what to do."""

import os
import signal
from pathlib import Path

import pytest

from mmselfsup.study import process
from mmselfsup.study.stages import stage as stage_module
from mmselfsup.study.stages.failure import failure_reason, text_since
from mmselfsup.study.stages.stage import Stage, run_stages
from mmselfsup.utils.errors import UserError

TRAIN = """
import os, signal
print(os.environ["SAYS"], flush=True)
os.kill(os.getpid(), int(os.environ["SIGNAL"])) if "SIGNAL" in os.environ else exit(1)
"""
MACHINE = process.Machine(cores=1, gpus=0, warm=True)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.setattr(stage_module, "command_stamp", lambda *_: {})
    return Stage("final", tmp_path / "final", ("train.py",), tmp_path, logged=True)


def message(stage: Stage) -> str:
    with pytest.raises(UserError) as error:
        run_stages("Training", [stage], MACHINE)
    return str(error.value)


def test_killed_for_memory_after_an_innocent_line(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAYS", "data = dict(on_error='raise')\nINFO - Saving checkpoint")
    monkeypatch.setenv("SIGNAL", str(int(signal.SIGKILL)))
    text = message(stage)
    assert text.startswith("final failed: killed by SIGKILL (exit code -9), most likely because")
    assert "memory ran out" in text
    assert "JOBS=1" in text
    assert "it printed last: INFO - Saving checkpoint (" in text
    assert str(stage.folder / "output.log") in text


def test_only_lines_of_this_run_explain_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYS", "ValueError: of the first run")
    assert "ValueError: of the first run (all of it" in message(stage)
    monkeypatch.setenv("SAYS", "INFO - epoch 3")
    assert "INFO - epoch 3" in message(stage)
    assert not os.stat(stage.folder / "output.log").st_mode & 0o111  # nothing to execute


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_only_an_interrupt_ends_as_one(
    number: int, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches the commands, too: that is no failure of theirs."""
    monkeypatch.setenv("SAYS", "INFO - epoch 1")
    monkeypatch.setenv("SIGNAL", str(int(number)))
    train = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n" + TRAIN
    (stage.root / "train.py").write_text(train)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else UserError):
        run_stages("Training", [stage], MACHINE)


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (137, "", "killed by SIGKILL (exit code 137), most likely because memory ran out"),
        (-11, "Epoch [1]", "killed by SIGSEGV (exit code -11); it printed last: Epoch [1]"),
        (1, "RuntimeError: DataLoader worker (pid(s) 7) exited unexpectedly", "memory ran out"),
        (1, "  exitcode  : -9 (pid: 7)\n  traceback : Signal 9 (SIGKILL)", "memory ran out"),
        (1, "", "it printed nothing, exit code 1"),
        (1, "cv2.error: no file\nbye", "cv2.error: no file (all"),
        (1, "error: no file\nbye", "no file (all"),
        (1, "a.b.OddError: no file\nbye", "a.b.OddError: no file (all"),
        (1, "assert x\nAssertionError\nbye", "AssertionError (all"),
        (1, "2024-01-01 - mmselfsup - ERROR - no file\nbye", "no file (all"),
        (1, "data = dict(on_error='raise')\nbye", "bye (all"),
        (1, "'on_error': 'raise',\nbye", "bye (all"),
        (1, "on_error: raise\nbye", "bye (all"),
    ],
)
def test_reasons(code: int, text: str, words: str) -> None:
    assert words in failure_reason(code, text, Path("output.log"))


def test_no_log(tmp_path: Path) -> None:
    assert failure_reason(3, "", None) == "exit code 3, see the lines above"
    assert "memory ran out" in failure_reason(-9, "", None)
    assert text_since(tmp_path / "output.log", 0) == ""  # killed before it printed anything
