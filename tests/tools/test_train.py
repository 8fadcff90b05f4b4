"""tools/train.py from end to end."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed.ranks import free_port
from tests.tools.command import ROOT, Done, run_tool


def train(place: Path, *argv: str, **kwargs: Any) -> Done:
    return run_tool("train.py", *argv, folder=place, **kwargs)


def lines_of(work_dir: Path) -> list[dict[str, Any]]:
    texts = [t for f in sorted(work_dir.glob("*.log.json")) for t in f.read_text().splitlines()]
    return [line for line in map(json.loads, texts) if "mode" in line]


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def same_weights(first: Path, second: Path) -> bool:
    a, b = load(first), load(second)
    return all(torch.equal(v, b["state_dict"][k]) for k, v in a["state_dict"].items())


def test_pretrain_then_finetune(place: Path) -> None:
    done = train(place, "simclr.py", "--work_dir", "ssl", "--seed", "0")
    assert done.code == 0, done.text
    logged = lines_of(place / "ssl")
    assert [(line["mode"], line["epoch"], line["iter"]) for line in logged] == [
        ("train", epoch, step) for epoch in (1, 2) for step in (1, 2, 3)
    ]
    meta = load(place / "ssl" / "latest.pth")["meta"]
    assert (meta["epoch"], meta["iter"], meta["seed"]) == (2, 6, 0)
    assert "SimCLR" in meta["config"]
    assert meta["CLASSES"] == ["red", "green", "blue"]
    assert "norm" in (place / "ssl" / "simclr.py").read_text()

    done = train(
        place, "classifier.py", "--work-dir", "cls", "--launcher", "none",
        "--cfg-options", "load_from=ssl/latest.pth", "optimizer.lr=0.1", "data.samples_per_gpu=4",
        "data.imgs_per_gpu=None",
    )  # fmt: skip
    assert done.code == 0, done.text
    assert "backbone 122 of 122" in done.text or "matched" in done.text
    validated = [line for line in lines_of(place / "cls") if line["mode"] == "val"]
    assert len(validated) == 2
    assert 0 <= validated[-1]["balanced_accuracy"] <= 1

    done = run_tool(
        "test.py", "classifier.py", "cls/latest.pth", "--out", "scores.json", folder=place
    )
    assert done.code == 0, done.text
    result = json.loads((place / "scores.json").read_text())
    assert result["num_samples"] == 12
    assert len(result["scores"]) == len(result["labels"]) == 12
    expected = validated[-1]["balanced_accuracy"]
    assert result["metrics"]["balanced_accuracy"] == pytest.approx(expected, abs=1e-4)


def test_config_dumped_by_mmcv_trains_again(place: Path) -> None:
    """0.x's work dirs hold such files: helper variables without a trace of their use."""
    from mmcv import Config

    helpers = (
        "\nimg_norm_cfg = dict(mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2])\n"
        "train_pipeline = view\nmy_sizes = [32, 64]\nnum_gpus, note = 1, 'text'\n"
    )
    (place / "helpers.py").write_text((place / "simclr.py").read_text() + helpers)
    cfg = Config.fromfile(str(place / "helpers.py"))
    # As the command line of 0.x left it.
    cfg.merge_from_dict(dict(work_dir="old", gpu_ids=range(0, 1), seed=0, auto_resume=False))
    cfg.dump(str(place / "dumped.py"))
    done = train(place, "dumped.py", "--work_dir", "again", "--seed", "0")
    assert done.code == 0, done.text
    names = "norm, source, backbone, view, my_sizes, num_gpus, note"
    assert f"names of the config that are no settings: {names}" in done.text
    straight = train(place, "simclr.py", "--work_dir", "straight", "--seed", "0")
    assert straight.code == 0, straight.text
    assert "no settings" not in straight.text
    assert same_weights(place / "again" / "latest.pth", place / "straight" / "latest.pth")
    # What this run has dumped runs, too.
    done = train(place, "again/dumped.py", "--work_dir", "third", "--cfg-options", "seed=1")
    assert done.code == 0, done.text


def test_auto_resume_is_bit_equal(place: Path) -> None:
    options = ["--cfg-options", "data.workers_per_gpu=1"]
    assert train(place, "simclr.py", "--work_dir", "whole", "--seed", "3", *options).code == 0
    # The seed of the broken run comes from its checkpoint.
    stop = ["--cfg-options", "runner.max_epochs=1", "lr_config=None"]
    (place / "fixed.py").write_text((place / "simclr.py").read_text() + "lr_config = None\n")
    first = train(place, "fixed.py", "--work_dir", "parts", "--seed", "3", *stop)
    assert first.code == 0, first.text
    again = train(place, "fixed.py", "--work_dir", "parts", "--auto-resume")
    assert again.code == 0, again.text
    assert "resumed from" in again.text
    straight = train(place, "fixed.py", "--work_dir", "straight", "--seed", "3")
    assert straight.code == 0, straight.text
    assert same_weights(place / "parts" / "latest.pth", place / "straight" / "latest.pth")
    assert not same_weights(place / "parts" / "epoch_1.pth", place / "parts" / "epoch_2.pth")


def test_half_precision_accumulation_and_validation_on_cpu(place: Path) -> None:
    done = train(
        place, "simclr.py", "--cfg-options", "fp16.loss_scale=dynamic",
        "optimizer_config.update_interval=2", "workflow=[('train',1),('val',1)]",
        "data.val={'type':'MultiViewDataset','data_source':"
        "{'type':'ImageList','data_prefix':'images','ann_file':'list.txt'}}",
    )  # fmt: skip
    assert done.code == 0, done.text
    modes = [line["mode"] for line in lines_of(place / "work_dirs" / "simclr")]
    assert modes == ["train"] * 3 + ["val"] + ["train"] * 3 + ["val"]


def test_by_iterations(place: Path) -> None:
    done = train(
        place, "classifier.py", "--work_dir", "run", "--seed", "1", "--deterministic",
        "--cfg-options", "runner={'_delete_':True,'type':'IterBasedRunner','max_iters':5}",
        "evaluation.interval=2", "checkpoint_config.interval=2",
    )  # fmt: skip
    assert done.code == 0, done.text
    assert {"iter_2.pth", "iter_4.pth", "latest.pth"} <= {p.name for p in (place / "run").iterdir()}
    assert load(place / "run" / "iter_4.pth")["meta"]["iter"] == 4


BAD = [
    (["nowhere.py"], "there is no config nowhere.py"),
    (["broken.py"], r"broken.py, line 2: syntax error"),
    (["simclr.py", "--cfg-options", "optimizr.lr=1"], "optimizr"),
    (["simclr.py", "--cfg-options", "lr"], "KEY=VALUE"),
    (["simclr.py", "--cfg-options", "model.backbone.depht=18"], "depht"),
    (["simclr.py", "--gpus", "3"], "--gpus 3: there is none"),
    (["simclr.py", "--gpu-id", "2"], "there is no GPU 2"),
    (["simclr.py", "--work_dir", "list.txt/x"], "can't write the work dir"),
    (["simclr.py", "--resume-from", "no.pth"], "there is no checkpoint no.pth"),
    (["simclr.py", "--resume_from", "list.txt"], "list.txt is no checkpoint"),
    (["simclr.py", "--cfg-options", "load_from=list.txt"], "list.txt is no checkpoint"),
    (["simclr.py", "--cfg-options", "data.samples_per_gpu=64", "data.drop_last=True"], "64"),
    (
        ["simclr.py", "--cfg-options", "optimizer.lr=-1"],
        "optimizer.lr=-1: give a number of at least 0",
    ),
    (["simclr.py", "--launcher", "pytorch"], "RANK"),
    (["simclr.py", "--gpus", "-1"], "--gpus -1: give 0 for the CPU"),
    (["simclr.py", "--seed", "-5"], "seed -5: give a whole number from 0"),
    (["simclr.py", "--cfg-options", "seed=one"], "seed=.one.: give a whole number"),
    (["simclr.py", "--cfg-options", "runner.max_epochs=0"], "max_epochs=0: give a whole number"),
    (["simclr.py", "--cfg-options", "runner.max_epochs=two"], "max_epochs='two': give a whole"),
    (
        ["simclr.py", "--cfg-options", "custom_imports={'imports':['gone']}"],
        "custom_imports: .*gone",
    ),
    (["empty.py"], "empty.py has no model, optimizer, data.train, runner"),
    (
        ["classifier.py", "--cfg-options", "data.train.data_source.ann_file=bare.txt"],
        "data.train: 2 of 12 images have no label",
    ),
    (["missing_image.py", "--work_dir", "x"], "nothere.jpg"),
    (["missing_image.py", "--cfg-options", "data.workers_per_gpu=1"], "nothere.jpg"),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[" ".join(argv) for argv, _ in BAD])
def test_bad_input_is_one_line(place: Path, argv: list[str], message: str) -> None:
    (place / "broken.py").write_text("a = 1\nmodel = dict(\n")
    (place / "empty.py").touch()
    bare = [f"{number}.jpg 0" if number < 10 else f"{number}.jpg" for number in range(12)]
    (place / "bare.txt").write_text("\n".join(bare))
    (place / "other.txt").write_text("nothere.jpg 0\n" * 8)
    config = (place / "simclr.py").read_text().replace("list.txt", "other.txt")
    (place / "missing_image.py").write_text(config)
    done = train(place, *argv, env={"RANK": "0"} if "pytorch" not in argv else {})
    assert done.code == 2, done.text
    assert done.last_line.startswith("error: ")
    assert re.search(message, done.last_line), done.text
    assert "Traceback" not in done.text
    assert not list(place.glob("**/*.pth"))


def test_loss_that_is_not_finite(place: Path) -> None:
    done = train(place, "simclr.py", "--cfg-options", "optimizer.lr=1e30")
    assert done.code == 2
    assert "the loss is not finite at iteration" in done.last_line
    assert not list(place.glob("**/*.pth"))


ONE_RANK = {
    "pytorch": {"RANK": "0", "WORLD_SIZE": "1"},
    "slurm": {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_NODELIST": "here"},
    "mpi": {
        "OMPI_COMM_WORLD_RANK": "0",
        "OMPI_COMM_WORLD_SIZE": "1",
        "OMPI_COMM_WORLD_LOCAL_RANK": "0",
    },
}


@pytest.mark.parametrize("launcher", sorted(ONE_RANK))
def test_one_rank_of_each_launcher_trains_as_without(place: Path, launcher: str) -> None:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    argv = ["simclr.py", "--seed", "1", "--cfg-options", "runner.max_epochs=1", "--work_dir"]
    if launcher == "pytorch":  # as launchers before torchrun say it
        argv = ["--local_rank=0", *argv]
    done = train(
        place, *argv, "with", "--launcher", launcher, env={**ONE_RANK[launcher], **address}
    )
    assert done.code == 0, done.text
    assert train(place, *argv, "without").code == 0
    assert same_weights(place / "with" / "latest.pth", place / "without" / "latest.pth")


def test_help_loads_no_library_and_options_have_both_spellings() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "tools" / "train.py"), "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mmselfsup.utils.cli" in loaded
    assert not loaded & {"torch", "mmcv", "numpy", "cv2", "torchvision"}
    for flag in ("--work_dir", "--resume_from", "--local_rank"):
        assert flag in done.stdout
    argv = ["c.py", "--work-dir", "a", "--resume-from", "b", "--local-rank", "1", "--auto_resume"]
    args = runpy.run_path(str(ROOT / "tools" / "train.py"))["parse_args"](argv)
    assert (args.work_dir, args.resume_from, args.local_rank, args.auto_resume) == (
        "a", "b", 1, True,
    )  # fmt: skip


def test_command_line_of_the_old_launcher_on_two_ranks(place: Path) -> None:
    argv = [
        sys.executable, "-m", "torch.distributed.launch", "--nproc_per_node=2",
        f"--master_port={free_port()}", str(ROOT / "tools" / "train.py"), "classifier.py",
        "--work_dir", "two", "--seed", "0", "--launcher", "pytorch",
    ]  # fmt: skip
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "backend gloo in place of nccl" in done.stderr
    lines = lines_of(place / "two")
    assert [line["iter"] for line in lines if line["mode"] == "train"] == [1, 2, 1, 2]
    assert len(load(place / "two" / "latest.pth")["rng_state"]) == 2
    assert len(list((place / "two").glob("*.log"))) == 1
