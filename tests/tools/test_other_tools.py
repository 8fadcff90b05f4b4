"""print_config, count_parameters, analyze_logs, and test.py's own errors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.command import ROOT, run_tool


def test_print_config(place: Path) -> None:
    argv = ["simclr.py", "--cfg-options", "optimizer.lr=0.25"]
    done = run_tool("misc/print_config.py", *argv, folder=place)
    assert done.code == 0, done.text
    assert "lr=0.25" in done.text
    (place / "copy.py").write_text(done.text.partition("Config:\n")[2])
    again = run_tool("misc/print_config.py", "copy.py", folder=place)
    assert again.text == done.text


def into_a_closed_pipe(argv: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and stderr of a script whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *argv], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("tool", "code"), [("train.py", 0), ("isic2019/run_study.py", 141)])
def test_help_into_a_pipe_that_is_closed(tool: str, code: int, tmp_path: Path) -> None:
    assert into_a_closed_pipe([str(ROOT / "tools" / tool), "--help"], tmp_path) == (code, "")


def test_every_tool_reports_by_run_cli() -> None:
    for path in (ROOT / "tools").rglob("*.py"):
        text = path.read_text()
        if path.name == "svm_helper.py":  # a module of names, no command
            continue
        assert "run_cli(" in text or "runpy.run_path" in text, path


@pytest.mark.parametrize(
    "command",
    ["train.py c.py", "misc/print_config.py c.py", "isic2019/run_study.py --demo"],
)
def test_without_the_environment_one_line_says_so(command: str, tmp_path: Path) -> None:
    tool, *rest = command.split()
    # -S: no installed packages, as in a shell whose environment is not active.
    argv = [sys.executable, "-S", str(ROOT / "tools" / tool), *rest]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is not installed" in done.stderr
    assert "activate the environment" in done.stderr


def test_output_into_a_pipe_that_is_closed(place: Path) -> None:
    tool = str(ROOT / "tools/misc/print_config.py")
    assert into_a_closed_pipe([tool, "simclr.py"], place) == (141, "")
    code, text = into_a_closed_pipe([tool, "nowhere.py"], place)
    assert code == 2, text
    assert text.startswith("error: ")


def test_another_broken_pipe_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from mmselfsup.utils.errors import run_cli\n"
        "def main():\n    raise BrokenPipeError('of a worker')\n"
        "run_cli(main)\n"
    )
    argv = [sys.executable, "tool.py", str(ROOT)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("BrokenPipeError: of a worker\n")


def test_count_parameters(place: Path) -> None:
    done = run_tool("analysis_tools/count_parameters.py", "classifier.py", folder=place)
    assert done.code == 0, done.text
    table = {row.split()[0]: row.split()[1] for row in done.text.strip().splitlines()}
    assert table["head"] == str(64 * 3 + 3)
    assert int(table["all"].replace(",", "")) > int(table["head"])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [{"env_info": "x"}]
    for epoch in (1, 2):
        lines += [
            {
                "mode": "train",
                "epoch": epoch,
                "iter": i,
                "loss": 1 / i,
                "time": 9.0 if i == 1 else e,
            }
            for i, e in ((1, 9), (2, epoch), (3, epoch))
        ]
        lines.append({"mode": "val", "epoch": epoch, "iter": 4, "accuracy": 0.5})
    path = tmp_path / "run.log.json"
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"mode": "tra')
    return path


def test_times(log: Path) -> None:
    tool = "analysis_tools/analyze_logs.py"
    done = run_tool(tool, "cal_train_time", str(log), folder=log.parent)
    assert "slowest epoch 2, average time is 2.0000 s/iter" in done.text
    assert "average iter time: 1.5000 s/iter" in done.text
    done = run_tool(tool, "cal_train_time", str(log), "--include-outliers", folder=log.parent)
    assert "average iter time: 4.0000 s/iter" in done.text


def test_curves(log: Path) -> None:
    tool = "analysis_tools/analyze_logs.py"
    argv = ["plot_curve", str(log), "--keys", "loss", "accuracy", "--out", "fig.png"]
    done = run_tool(tool, *argv, "--legend", "a", "b", "--title", "t", folder=log.parent)
    assert done.code == 0, done.text
    assert (log.parent / "fig.png").stat().st_size > 1000
    done = run_tool(tool, "plot_curve", str(log), "--keys", "gain", folder=log.parent)
    assert done.code == 2
    assert "has no 'gain'; it has accuracy" in done.last_line
    done = run_tool(tool, "cal_train_time", "gone.json", folder=log.parent)
    assert done.code == 2
    assert "can't read the log gone.json" in done.last_line


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["classifier.py", "gone.pth"], "no checkpoint at gone.pth"),
        (["classifier.py", "list.txt"], "list.txt is no checkpoint"),
        (["classifier.py", "list.txt", "--out", "a.txt"], "name a .json, .npz or .csv file"),
        (["simclr.py", "list.txt"], "no data.test and no data.val"),
    ],
)
def test_bad_input_of_test(place: Path, argv: list[str], message: str) -> None:
    done = run_tool("test.py", *argv, folder=place)
    assert done.code == 2, done.text
    assert message in done.last_line


@pytest.mark.parametrize("script", ["dist_train", "dist_test", "slurm_train", "slurm_test"])
def test_shell_scripts_say_how_they_are_used(script: str) -> None:
    path = ROOT / "tools" / f"{script}.sh"
    done = subprocess.run(["bash", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: tools/{script}.sh ")
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


@pytest.mark.parametrize("script", ["slurm_train", "slurm_test"])
def test_without_slurm_it_is_said_in_one_line(script: str, tmp_path: Path) -> None:
    argv = ["/bin/bash", str(ROOT / "tools" / f"{script}.sh"), "PARTITION", "JOB", "a.py", "b"]
    env = {"PATH": str(tmp_path)}  # whatever this machine has
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("error: srun is not installed")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def cluster(tmp_path: Path) -> Callable[..., Any]:
    """Call a script of tools/ with commands that write their arguments down."""
    programs = {"python": "", "srun": "exit ${SRUN_CODE:-0}", "sbatch": "", "scontrol": ""}
    for name, end in programs.items():
        text = f'#!/bin/bash\necho "{name} $*" "${{MMSELFSUP_CONTINUE:-}}" >> "$CALLS"\n{end}\n'
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def call(script: str, *argv: str, **env: str) -> tuple[int, list[str]]:
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", str(ROOT / "tools" / script), *argv], cwd=tmp_path, check=False,
            env={"PATH": path, "CALLS": str(calls), "PYTHON": "python", **env},
        )  # fmt: skip
        # The question where torch is.
        lines = [line for line in calls.read_text().splitlines() if "python -c" not in line]
        return done.returncode, lines

    return call


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh"])
def test_a_single_machine_takes_a_free_port(script: str, cluster: Callable[..., Any]) -> None:
    argv = ["a.py", "2"] if script == "dist_train.sh" else ["a.py", "b.pth", "2"]
    (line,) = cluster(script, *argv)[1]
    assert "-m mmselfsup.utils.torchrun --standalone --nproc_per_node=2" in line
    (line,) = cluster(script, *argv, PORT="1234")[1]
    assert "--standalone" not in line
    assert "--master_port=1234" in line
    (line,) = cluster(script, *argv, NNODES="2", NODE_RANK="1", MASTER_ADDR="10.0.0.1")[1]
    assert "--nnodes=2 --node_rank=1 --master_addr=10.0.0.1 --master_port=29500" in line


def test_slurm_asks_for_a_signal_and_requeues(tmp_path: Path, cluster: Callable[..., Any]) -> None:
    argv = ["PARTITION", "JOB", "a.py", "out"]
    code, (line,) = cluster("slurm_train.sh", *argv, SIGNAL_S="60", SRUN_CODE="75")
    assert code == 75
    assert "--signal=USR1@60" in line
    code, (line,) = cluster("slurm_train.sh", *argv, "--seed", "a b", BATCH="1")
    assert code == 0
    assert line.startswith("sbatch ")
    assert "--requeue" in line
    assert "out --seed a\\ b" in line
    job = {"BATCH": "1", "SLURM_JOB_ID": "7"}
    code, lines = cluster("slurm_train.sh", *argv, **job, SRUN_CODE="75")
    assert code == 75
    assert [line.split()[0] for line in lines] == ["srun", "scontrol"]
    assert lines[1].strip() == "scontrol requeue 7"
    assert not lines[0].endswith("1")  # a first run starts as it is told
    latest = tmp_path / "out" / "latest.pth"
    for written, goes_on in ((0, False), (2**31, True)):  # by an earlier run, by this job
        latest.touch()
        os.utime(latest, (written, written))
        code, lines = cluster("slurm_train.sh", *argv, **job, SLURM_RESTART_COUNT="1",
                              SRUN_CODE="75")  # fmt: skip
        assert lines[0].endswith(" 1") == goes_on
    code, lines = cluster("slurm_train.sh", *argv, **job, SLURM_RESTART_COUNT="2")
    assert (code, len(lines)) == (0, 1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["latest.pth"]
