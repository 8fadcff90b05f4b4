"""Pre-training and fine-tuning on one and two processes, and the test of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmselfsup.utils.json_log import read_log
from tests.distributed.ranks import free_port
from tests.tools.command import _be_tool
from tests.tools.conftest import BASE, CLASSIFIER, SIMCLR

from .compare import content_of, files_of
from .processes import Work
from .scenario import ROOT, Scenario, text_of

EPOCHS = 4
_TRAIN = ("--work_dir", "{out}", "--auto-resume", "--seed", "0")
# Signals for all processes reach the workers of a loader, too.
_WORKER = ("--cfg-options", "data.workers_per_gpu=1", "runner.max_epochs=12")


def prepare(place: Path) -> None:
    """Write images, a list and two configs; each epoch has three iterations."""
    rng = np.random.default_rng(0)
    (place / "images").mkdir()
    for number in range(12):
        pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{number}.jpg")
    (place / "list.txt").write_text("".join(f"{n}.jpg {n % 3}\n" for n in range(12)))
    common = BASE + f"runner = dict(type='EpochBasedRunner', max_epochs={EPOCHS})\n"
    kept = "checkpoint_config = dict(interval=1, max_keep_ckpts=2)\n"
    # Inside epochs as well.
    (place / "simclr.py").write_text(
        common + SIMCLR + "checkpoint_config = dict(interval=2, by_epoch=False)\n"
    )
    best = "evaluation = dict(interval=1, save_best='balanced_accuracy')\n"
    (place / "classifier.py").write_text(common + CLASSIFIER + kept + best)


def tool(argv: Sequence[str], place: Path, out: str, ranks: int = 1) -> list[Work]:
    """Return a script of ``tools/`` in one process, or in several ranks; ``{out}`` is replaced."""
    argv = [arg.format(out=out) for arg in argv]
    port, works = str(free_port()), []
    for rank in range(ranks):
        env = {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
        env.update(WORLD_SIZE=str(ranks), MASTER_PORT=port)
        output = text_of(place, out, rank)
        args = (ROOT / "tools" / argv[0], argv[1:], place, output, env if ranks > 1 else {})
        works.append(Work(_be_tool, args))
    return works


def _training(name: str, config: str, ranks: int, stopped: bool = False) -> Scenario:
    """Return the scenario of a training."""
    options = ("--launcher", "pytorch") * (ranks > 1) + _WORKER * stopped
    return Scenario(
        name,
        lambda place, out: tool(("train.py", config, *_TRAIN, *options), place, out, ranks),
        _training_state,
        signs=lambda place, out: len(list((place / out).glob("*.log"))),  # opened before its work
        stopped=stopped,
    )


def _training_state(place: Path, out: str) -> dict[str, Any]:
    """Return checkpoints, metrics, and the evaluations in the logs."""
    folder = place / out
    # Logs, which hold times, the config, with the name of the checkpoint that was resumed, and the
    # picture of the first batch of a call.
    found = files_of(
        folder,
        f"{out}/*.log",
        f"{out}/*.json",
        f"{out}/*.py",
        "tf_logs/*",
        "views.png",
        ".train.lock",
    )
    return {**found, "evaluations": read_log(folder).val_curve("balanced_accuracy")}


_TEST = ("test.py", "classifier.py", "finetune1_reference/latest.pth", "--out", "{out}.npz")
SCENARIOS = (
    _training("pretrain1", "simclr.py", 1),
    _training("pretrain2", "simclr.py", 2),
    _training("finetune1", "classifier.py", 1),
    _training("finetune2", "classifier.py", 2),
    _training("stop1", "simclr.py", 1, stopped=True),
    _training("stop2", "simclr.py", 2, stopped=True),
    Scenario(
        "evaluate1",
        lambda place, out: tool(_TEST, place, out),
        lambda place, out: content_of(place / f"{out}.npz", out),
        reads="finetune1",
    ),
)
