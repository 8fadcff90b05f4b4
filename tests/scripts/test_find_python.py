"""The search for an interpreter, among commands that only pretend to be one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def put_python(folder: Path, name: str, version: str, able: str = "venv", status: int = 0) -> Path:
    """Write a command that answers the installer's question as CPython ``version`` would."""
    command = folder / name
    answer = f"echo cpython {version} {able}" if status == 0 else f"exit {status}"
    command.write_text(f"#!/bin/sh\ncat >/dev/null\n{answer}\n")
    command.chmod(0o755)
    return command


def find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the search where PATH holds the folder and the few commands that the script needs."""
    for tool in ("bash", "cat"):
        if not (folder / tool).exists():
            (folder / tool).symlink_to(
                next(p for d in ("/bin", "/usr/bin") if (p := Path(d, tool)).exists())
            )
    return subprocess.run(
        [str(folder / "bash"), str(ROOT / "scripts" / "find_python.sh")],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def assert_one_line_error(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that a command failed with a single line that holds the words."""
    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_finder_passes_over_a_shim_that_fails(tmp_path: Path) -> None:
    put_python(tmp_path, "python3.12", "3.12", status=127)
    expected = put_python(tmp_path, "python3.11", "3.11")
    assert find_python(tmp_path).stdout.strip() == str(expected)


def test_finder_looks_behind_a_failing_shim_of_the_same_name(tmp_path: Path) -> None:
    shims, real = tmp_path / "shims", tmp_path / "real"
    shims.mkdir()
    real.mkdir()
    put_python(shims, "python3.12", "3.12", status=127)
    expected = put_python(real, "python3.12", "3.12")
    result = find_python(shims, PATH=f"{shims}:{real}")
    assert result.stdout.strip() == str(expected)


def test_finder_prefers_newer_and_passes_over_the_unsupported(tmp_path: Path) -> None:
    put_python(tmp_path, "python3", "3.14")
    put_python(tmp_path, "python3.10", "3.10")
    expected = put_python(tmp_path, "python3.12", "3.12")
    assert find_python(tmp_path).stdout.strip() == str(expected)


def test_finder_takes_a_plain_python3_of_the_right_version(tmp_path: Path) -> None:
    expected = put_python(tmp_path, "python3", "3.10")
    assert find_python(tmp_path).stdout.strip() == str(expected)


def test_finder_names_what_it_saw_when_nothing_fits(tmp_path: Path) -> None:
    put_python(tmp_path, "python3", "3.14")
    assert_one_line_error(find_python(tmp_path), "3.14", "3.10 to 3.13", "PYTHON=")


def test_finder_says_which_package_brings_venv(tmp_path: Path) -> None:
    put_python(tmp_path, "python3.11", "3.11", able="no-venv")
    assert_one_line_error(find_python(tmp_path), "apt install python3.11-venv")


def test_finder_prefers_an_interpreter_that_has_venv(tmp_path: Path) -> None:
    put_python(tmp_path, "python3.12", "3.12", able="no-venv")
    expected = put_python(tmp_path, "python3.10", "3.10")
    assert find_python(tmp_path).stdout.strip() == str(expected)


def test_override_is_taken_and_checked(tmp_path: Path) -> None:
    put_python(tmp_path, "python3.12", "3.12")
    other = put_python(tmp_path, "mine", "3.10")
    assert find_python(tmp_path, PYTHON=str(other)).stdout.strip() == str(other)
    newest = put_python(tmp_path, "newest", "3.14")
    assert_one_line_error(find_python(tmp_path, PYTHON=str(newest)), "3.14")
    assert_one_line_error(find_python(tmp_path, PYTHON="absent"), "PYTHON=absent")


def test_finder_asks_the_running_interpreter(tmp_path: Path) -> None:
    result = find_python(tmp_path, PYTHON=sys.executable)
    if sys.version_info < (3, 14):
        assert result.stdout.strip() == sys.executable
    else:
        assert_one_line_error(result, "3.10 to 3.13")


def test_finder_takes_3_13_behind_the_older_ones(tmp_path: Path) -> None:
    newest = put_python(tmp_path, "python3.13", "3.13")
    assert find_python(tmp_path).stdout.strip() == str(newest)
    older = put_python(tmp_path, "python3.10", "3.10")
    assert find_python(tmp_path).stdout.strip() == str(older)
