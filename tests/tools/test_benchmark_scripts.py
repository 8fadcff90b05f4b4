"""The shell scripts of 0.x's benchmarks: what they start, with commands that only print."""

import subprocess
from pathlib import Path

import pytest
import torch

from tests.tools.command import ROOT, run_tool

BENCHMARKS = ROOT / "tools" / "benchmarks"
SCRIPTS = sorted(
    str(path.relative_to(BENCHMARKS))
    for path in BENCHMARKS.rglob("*.sh")
    if path.name != "launch.sh"
)
C = "classification"
CFG = "configs/selfsup/simclr/x.py"
WORK = "work_dirs/selfsup/simclr/x/"
#: The scripts of 0.x, by their arguments and what the started command must contain.
CASES: dict[str, tuple[list[str], list[str]]] = {
    f"{C}/dist_train_linear.sh": (
        [CFG, "a/e.pth", "--seed", "1"],
        [
            "--nproc_per_node=8",
            f"train.py {CFG} --work_dir {WORK}e.pth",
            "load_from=a/e.pth --seed 1",
        ],
    ),
    f"{C}/dist_train_semi.sh": ([CFG, "a/e.pth"], ["--nproc_per_node=4", "load_from=a/e.pth"]),
    f"{C}/slurm_train_linear.sh": (
        ["gpu", "job", CFG, "a/e.pth", "--seed", "1"],
        ["srun -p gpu --job-name=job", "--ntasks=8", f"--work_dir {WORK}e.pth", "--seed 1"],
    ),
    f"{C}/slurm_train_semi.sh": (
        ["gpu", "job", CFG, "a/e.pth"],
        ["--ntasks=4", "load_from=a/e.pth"],
    ),
    f"{C}/knn_imagenet/dist_test_knn_pretrain.sh": (
        [CFG, "a/e.pth", "--num-knn", "5"],
        [f"test_knn.py {CFG} --checkpoint a/e.pth --work-dir {WORK}e.pth --num-knn 5"],
    ),
    f"{C}/knn_imagenet/dist_test_knn_epoch.sh": (
        [CFG, "20"],
        [f"--checkpoint {WORK}epoch_20.pth --work-dir {WORK}"],
    ),
    f"{C}/knn_imagenet/slurm_test_knn_pretrain.sh": (
        ["gpu", "job", CFG, "a/e.pth"],
        ["srun -p gpu", "--checkpoint a/e.pth", "--launcher slurm"],
    ),
    f"{C}/knn_imagenet/slurm_test_knn_epoch.sh": (
        ["gpu", "job", CFG, "20"],
        ["srun -p gpu", f"--checkpoint {WORK}epoch_20.pth"],
    ),
    f"{C}/svm_voc07/dist_extract.sh": (
        [CFG, "2", "out", "--layer-ind", "4"],
        ["--nproc_per_node=2", f"extract.py {CFG} --work_dir out --layer-ind 4"],
    ),
    f"{C}/svm_voc07/slurm_extract.sh": (
        ["gpu", "job", CFG, "out"],
        ["srun -p gpu", f"extract.py {CFG} --work_dir out --launcher slurm"],
    ),
    f"{C}/svm_voc07/dist_test_svm_pretrain.sh": (
        [CFG, "2", "a/e.pth", "feat4 feat5", "--layer-ind", "3,4"],
        [
            f"extract.py {CFG} --work_dir {WORK}e.pth --checkpoint a/e.pth --layer-ind 3,4",
            f"{WORK}e.pth/features/voc07_trainval_feat4.npy",
            "train_svm_low_shot_parallel.py",
            "train_targets_sample5_k96.npy",
            "aggregate_low_shot_svm_stats.py --k_values 1,2,4,8,16,32,64,96",
        ],
    ),
    f"{C}/svm_voc07/dist_test_svm_epoch.sh": (
        [CFG, "20", "feat5"],
        [f"--checkpoint {WORK}epoch_20.pth", f"{WORK}svm/feat5"],
    ),
    f"{C}/svm_voc07/slurm_test_svm_pretrain.sh": (
        ["gpu", "job", CFG, "a/e.pth"],
        ["--checkpoint a/e.pth", "eval_svm_full.sh", "eval_svm_lowshot.sh", "--ntasks=1"],
    ),
    f"{C}/svm_voc07/slurm_test_svm_epoch.sh": (
        ["gpu", "job", CFG, "20"],
        [f"--checkpoint {WORK}epoch_20.pth", "eval_svm_full.sh"],
    ),
    f"{C}/svm_voc07/tools/eval_svm_full.sh": (
        ["out"],
        ["train_svm_kfold_parallel.py", "out/features/voc07_test_feat5.npy", "test_targets.npy"],
    ),
    f"{C}/svm_voc07/tools/eval_svm_lowshot.sh": (
        ["out"],
        ["train_targets_sample1_k1.npy", "--output_path out/svm_low_shot/feat5"],
    ),
    "mmdetection/mim_dist_train_c4.sh": (
        [CFG, "a/b.pth", "4"],
        [
            "mim train mmdet", "--gpus 4", "model.backbone.init_cfg.checkpoint=a/b.pth",
            "model.roi_head.shared_head.init_cfg.checkpoint=a/b.pth",
        ],
    ),
    "mmdetection/mim_dist_train_fpn.sh": (
        [CFG, "a/b.pth", "4", "--seed", "1"],
        ["mim train mmdet", "model.backbone.init_cfg.checkpoint=a/b.pth --seed 1"],
    ),
    "mmdetection/mim_slurm_train_c4.sh": (["gpu", CFG, "a/b.pth"], ["--partition gpu --gpus 8"]),
    "mmdetection/mim_slurm_train_fpn.sh": (["gpu", CFG, "a/b.pth"], ["--launcher slurm"]),
    "mmsegmentation/mim_dist_train.sh": ([CFG, "a/b.pth", "4"], ["mim train mmseg", "--gpus 4"]),
    "mmsegmentation/mim_slurm_train.sh": (["gpu", CFG, "a/b.pth"], ["mmseg", "--gpus 4"]),
    "detectron2/run.sh": (
        ["d.yaml", "w.pkl", "out"],
        ["train_net.py --config-file d.yaml --num-gpus 8 MODEL.WEIGHTS w.pkl OUTPUT_DIR out"],
    ),
    "detectron2/slurm_run.sh": (
        ["gpu", "job", "d.yaml", "w.pkl", "out"],
        ["srun -p gpu", "--config-file d.yaml --num-gpus 8"],
    ),
}  # fmt: skip


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, str]:
    """An environment whose python, srun and mim print their command line."""
    for name in ("python", "srun", "mim"):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "{name}" "$@"\n')
        path.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": str(tmp_path / "python")}


def run(script: str, argv: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(BENCHMARKS / script), *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("script", CASES)
def test_what_a_script_starts(script: str, commands: dict[str, str]) -> None:
    argv, expected = CASES[script]
    done = run(script, argv, commands)
    assert done.returncode == 0, done.stderr
    for part in expected:
        assert part in done.stdout
    assert "launcher" in done.stdout or "svm_voc07/tools" in script or "detectron2" in script


@pytest.mark.parametrize("script", SCRIPTS)
def test_how_a_script_is_used(script: str, commands: dict[str, str]) -> None:
    done = run(script, [], commands)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert done.stdout == ""


def test_every_script_is_tested() -> None:
    assert sorted(CASES) == SCRIPTS


def test_settings_of_the_environment(commands: dict[str, str]) -> None:
    settings = {**commands, "GPUS": "2", "PORT": "1234", "NNODES": "3", "NODE_RANK": "1"}
    done = run(f"{C}/dist_train_linear.sh", [CFG, "a.pth"], settings)
    for part in ("--nproc_per_node=2", "--master_port=1234", "--nnodes=3", "--node_rank=1"):
        assert part in done.stdout
    settings = {**commands, "GPUS_PER_NODE": "4", "SRUN_ARGS": "--time=1 --qos=a"}
    done = run(f"{C}/slurm_train_semi.sh", ["gpu", "job", CFG, "a.pth"], settings)
    assert "--gres=gpu:4 --ntasks=4 --ntasks-per-node=4" in done.stdout
    assert "--time=1 --qos=a" in done.stdout


def test_without_slurm(commands: dict[str, str]) -> None:
    (Path(commands["PYTHON"]).parent / "srun").unlink()
    done = run(f"{C}/slurm_train_semi.sh", ["gpu", "job", CFG, "a.pth"], commands)
    assert done.returncode == 2
    assert done.stderr.startswith("error: srun is not installed")


def test_without_detectron2(tmp_path: Path) -> None:
    done = run_tool("benchmarks/detectron2/train_net.py", folder=tmp_path)
    assert done.code == 2
    assert "this script needs detectron2" in done.last_line


def test_conversion_for_detectron2(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {"backbone.conv1.weight": torch.ones(2, 3, 7, 7)}}, tmp_path / "a.pth"
    )
    script = "benchmarks/detectron2/convert-pretrain-to-detectron2.py"
    done = run_tool(script, "a.pth", "b.pkl", folder=tmp_path)
    assert done.code == 0, done.text
    assert done.last_line == "1 weights: b.pkl"
    assert (tmp_path / "b.pkl").is_file()
