"""The installer, with a pretended interpreter: what it installs, redoes and leaves alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Answers as Python, as `python -m venv` and as pip; writes down each install with its constraints.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
-) cat >/dev/null; echo "cpython $VERSION venv" ;;
-c*print*) echo "$VERSION" ;;
"-m venv "*) [ ! -L "$3" ] || exit 1 # as Python's does
    mkdir -p "$3/bin"; sed "s/[$]VERSION/$VERSION/" "$0" >"$3/bin/python"
    chmod +x "$3/bin/python" ;;
"-m pip show -q mmcv") [ -e has_mmcv ] ;;
"scripts/build_mmcv.py "*) echo "$*" >>calls; echo "$2/mmcv-1.7.2-py2.py3-none-any.whl" ;;
"-m pip install --help") echo "$PIP_HELP" ;;
"-m pip install "*) echo "$* PIP_CONSTRAINT=$PIP_CONSTRAINT" >>calls
    if [ -n "$PIP_SAYS" ]; then echo "$PIP_SAYS" >.venv/pip.log; exit 1; fi ;;
scripts/check_install.py) [ ! -e no_libgl ] || { rm no_libgl; exit 3; } ;;
esac
"""


@pytest.fixture(params=["checkout", "a checkout"])
def checkout(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a folder with what the installer reads; one has a space in its name."""
    folder = tmp_path / request.param
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "pyproject.toml", folder)
    python = tmp_path / "fake_python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    return folder


def install(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installer in the folder with the pretended interpreter."""
    defaults = {
        "PYTHON": str(checkout.parent / "fake_python"),
        "VERSION": "3.11",
        "PIP_HELP": "",
        "PIP_SAYS": "",
        "PIP_CONSTRAINT": "",
    }
    return subprocess.run(
        ["bash", str(checkout / "scripts" / "install.sh")],
        env={**os.environ, **defaults, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def read_calls(checkout: Path) -> list[str]:
    """Return the installs that the pretended pip was asked for."""
    calls = checkout / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_second_call_does_not_install_again(checkout: Path) -> None:
    for _ in range(2):
        assert install(checkout).returncode == 0
    assert len(read_calls(checkout)) == 1
    assert "-e .[dev]" in read_calls(checkout)[0]


def test_old_pip_is_constrained_by_its_environment(checkout: Path) -> None:
    install(checkout, PIP_CONSTRAINT="mine.txt")
    assert read_calls(checkout)[0].endswith("PIP_CONSTRAINT=mine.txt requirements/build.txt")


def test_new_pip_is_constrained_by_its_option(checkout: Path) -> None:
    install(checkout, PIP_HELP="  --build-constraint <file>")
    call = read_calls(checkout)[0]
    assert "--build-constraint requirements/build.txt" in call
    assert call.endswith("PIP_CONSTRAINT=")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("urllib3.exceptions.NewConnectionError: ...", "cannot be reached"),
        ("anything else", "pip's message"),
    ],
)
def test_failed_install_is_explained_and_redone(checkout: Path, message: str, words: str) -> None:
    result = install(checkout, PIP_SAYS=message)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: not installed")
    assert words in last
    (checkout / ".venv" / "half_a_package").touch()
    assert install(checkout).returncode == 0
    assert not (checkout / ".venv" / "half_a_package").exists()


def test_changed_requirements_update_in_place(checkout: Path) -> None:
    install(checkout)
    (checkout / ".venv" / "kept").touch()
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert install(checkout, PIP_SAYS="no network").returncode == 1
    assert install(checkout).returncode == 0
    assert len(read_calls(checkout)) == 3
    assert (checkout / ".venv" / "kept").exists()


def test_moved_checkout_is_installed_again(checkout: Path) -> None:
    install(checkout)
    (checkout / ".venv" / "kept").touch()
    moved = checkout.rename(checkout.parent / "moved")
    assert install(moved).returncode == 0
    assert not (moved / ".venv" / "kept").exists()


def test_another_interpreter_makes_another_environment(checkout: Path) -> None:
    install(checkout)
    assert install(checkout, VERSION="3.12").returncode == 0
    assert "3.12" in (checkout / ".venv" / "bin" / "python").read_text()


def test_environment_of_the_user_is_never_removed(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "kept").touch()
    result = install(checkout)
    assert result.returncode == 1
    assert "was not made by this script" in result.stderr
    assert (checkout / ".venv" / "kept").exists()


def test_link_to_another_disk_stays_a_link(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "large_disk").mkdir()
    (checkout / ".venv").symlink_to(tmp_path / "large_disk")
    assert install(checkout).returncode == 0
    assert (checkout / ".venv").is_symlink()


def test_environment_of_another_checkout_is_never_removed(checkout: Path, tmp_path: Path) -> None:
    assert install(checkout).returncode == 0
    kept = sorted(path.name for path in (checkout / ".venv").iterdir())
    other = tmp_path / "second"
    shutil.copytree(checkout, other, ignore=shutil.ignore_patterns(".venv"))
    (other / ".venv").symlink_to(checkout / ".venv")
    done = install(other)
    assert done.returncode == 1
    assert f".venv is a link to the environment of {checkout}: remove the link" in done.stderr
    assert sorted(path.name for path in (checkout / ".venv").iterdir()) == kept
    (other / ".venv").unlink()
    assert install(other).returncode == 0


def test_opencv_without_windows_where_libgl_is_missing(checkout: Path) -> None:
    (checkout / "no_libgl").touch()
    assert install(checkout).returncode == 0
    assert "opencv-python-headless" in read_calls(checkout)[1]


def test_wrong_interpreter_is_named_before_anything_is_touched(checkout: Path) -> None:
    result = install(checkout, PYTHON="no-such-python")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: PYTHON=no-such-python: no such command; CPython 3.10 to 3.13 is needed"
    ]
    assert not (checkout / ".venv").exists()


def test_mmcv_is_built_from_a_patched_source_where_its_own_does_not_build(checkout: Path) -> None:
    assert install(checkout, VERSION="3.13", TMPDIR="/tmp/x").returncode == 0
    build, wheel, project = read_calls(checkout)
    assert build == "scripts/build_mmcv.py /tmp/x"
    assert "--no-deps /tmp/x/mmcv-1.7.2-py2.py3-none-any.whl" in wheel
    assert "-e .[dev]" in project
    (checkout / "calls").unlink()
    (checkout / ".venv" / ".installed").unlink()
    (checkout / "has_mmcv").touch()
    assert install(checkout, VERSION="3.13").returncode == 0
    assert len(read_calls(checkout)) == 1


def test_older_pythons_take_mmcv_as_it_is(checkout: Path) -> None:
    for version in ("3.10", "3.12"):
        install(checkout, VERSION=version)
        assert not any("build_mmcv" in call for call in read_calls(checkout))
