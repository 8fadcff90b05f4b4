import json
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from mmselfsup.utils.errors import SharedError, UserError, run_cli


def leave_with(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3)])
def test_exit_code_of_main(result, code):
    with pytest.raises(SystemExit) as exit_info:
        run_cli(lambda: result)
    assert exit_info.value.code == code


def test_user_error_is_one_line_and_exit_code_two(capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_cli(leave_with(UserError("no list\nat a.txt")))
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == "error: no list at a.txt\n"


@pytest.fixture
def waits(monkeypatch):
    """The pauses that were made, without making them."""
    found: list[float] = []
    monkeypatch.setattr("mmselfsup.utils.errors.time.sleep", found.append)
    return found


@pytest.mark.parametrize(
    ("names", "line", "pauses"),
    [
        # A pod has its rank alone, and nobody else tells its user.
        ({"RANK": "1"}, "error: rank 1: x\n", 0),
        ({"RANK": "8", "LOCAL_RANK": "0"}, "error: rank 8: x\n", 0),
        ({"SLURM_PROCID": "3", "SLURM_LOCALID": "0"}, "error: rank 3: x\n", 0),
        # Beside another process on the node, which ends all of them if it fails, too.
        ({"RANK": "1", "LOCAL_RANK": "1"}, "error: rank 1: x\n", 1),
        ({"RANK": "0"}, "error: x\n", 0),
        ({"RANK": ""}, "error: x\n", 0),
    ],
)
def test_each_rank_shows_its_own_error(names, line, pauses, capsys, monkeypatch, waits):
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_info:
        run_cli(leave_with(UserError("x")))
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == line
    assert len(waits) == pauses


def test_an_error_of_all_ranks_is_shown_once_a_node(capsys, monkeypatch):
    for rank, local in ((0, 0), (1, 1), (2, 0)):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(local))
        with pytest.raises(SystemExit):
            run_cli(leave_with(SharedError("rank 1: x")))
        assert capsys.readouterr().err == ("" if local else "error: rank 1: x\n")


def test_ctrl_c_exits_with_130():
    with pytest.raises(SystemExit) as exit_info:
        run_cli(leave_with(KeyboardInterrupt()))
    assert exit_info.value.code == 130


def test_a_defect_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_cli(leave_with(ZeroDivisionError("ours")))


def test_debug_shows_the_traceback_of_a_user_error(monkeypatch):
    monkeypatch.setenv("MMSELFSUP_DEBUG", "1")
    with pytest.raises(UserError):
        run_cli(leave_with(UserError("x")))


def test_torchrun_finds_the_line_of_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(SystemExit):
        run_cli(leave_with(UserError("no such\nfile")))
    assert json.loads(file.read_text())["message"] == "error: no such file"
    # Read as torchrun's agent does.
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=2, error_file=str(file))
    assert failure.message == "error: no such file"
    assert failure.timestamp > 0
    with pytest.raises(SystemExit):  # what stands there already is older, and the cause
        run_cli(leave_with(UserError("later")))
    assert "later" not in file.read_text()
