import pytest

from mmselfsup.utils.errors import UserError, run_cli


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


def test_other_ranks_stay_silent(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit):
        run_cli(leave_with(UserError("x")))
    assert capsys.readouterr().err == ""


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
