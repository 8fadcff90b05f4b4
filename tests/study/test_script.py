"""The script at the top of the repository: help and mistakes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "train_SSL_with_finetuning_ISIC2019.sh"


TOOL = SCRIPT.parent / "tools" / "isic2019" / "run_study.py"


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "PYTHONPATH")}
    return subprocess.run(
        ["bash", str(SCRIPT), *argv],
        env={**keep, "PYTHON": sys.executable, **env},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_help_fits_a_screen_and_names_everything() -> None:
    done = run("--help", PYTHON="/no/such/python")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 48
    assert max(map(len, done.stdout.splitlines())) <= 100
    variables = ["ISIC_ROOT", "WORK_DIR", "GPUS", "FOLD", "SEED", "ALGORITHM", "SSL_CONFIG"]
    variables += ["FINETUNE_CONFIG", "FINETUNE_LRS", "PYTHON", "SIZE", "FOLDS", "SEEDS", "SPLITS"]
    flags = ["--demo", "--compare", "--curriculum", "--min-gain", "--ssl-on", "--ssl-options"]
    for name in (*variables, *flags, "--finetune-options"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("argv", "env", "message"),
    [
        ([], {}, "ISIC_ROOT is not set"),
        (["--demo"], {"ALGORITHM": "nonsense"}, "available: "),
        (["--demo", "--fast"], {}, "--fast"),
        ([], {"PYTHON": "/no/such/python"}, "no interpreter /no/such/python"),
    ],
)
def test_mistakes_end_with_one_line(argv: list[str], env: dict[str, str], message: str) -> None:
    done = run(*argv, **env)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_unknown_option_is_one_line_without_usage() -> None:
    done = run("--demo", "--fast")
    assert done.stderr == (
        "error: unrecognized arguments: --fast; "
        "train_SSL_with_finetuning_ISIC2019.sh --help lists the arguments\n"
    )


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["--compare", "--help"]])
def test_the_tool_has_the_help_of_the_script(argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), *argv], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run("--help").stdout


def test_the_study_of_any_data_shows_them_too() -> None:
    """``mmselfsup study --help`` is what an installed package has; it has no script at its top."""
    tool = SCRIPT.parent / "tools" / "run_study.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--help"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    shared = run("--help").stdout.partition("Environment ")[2]
    assert done.returncode == 0
    assert shared
    assert done.stdout.endswith(shared)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck() -> None:
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
