"""A whole study on a few synthetic images, from the lists to the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmselfsup.isic.demo.dataset import DemoSettings, make_demo_data
from mmselfsup.utils.json_log import read_log
from tests.tools.command import _be_tool

from .compare import files_of
from .processes import Work
from .scenario import ROOT, Scenario, text_of

IMAGES = DemoSettings(num_images=80, size=40, seed=0)
#: The demo configs with a sixteenth of the width, and without bfloat16, which processors may
#: emulate.
_SSL = (
    "configs/selfsup/simclr/simclr_resnet18_isic2019-demo.py",
    "neck=dict(in_channels=32, hid_channels=16, out_channels=8)",
)
_FINETUNE = (
    "configs/benchmarks/classification/isic2019/resnet18_isic2019-demo.py",
    "head=dict(in_channels=32)",
)
_ENV = {
    "ALGORITHM": "simclr",
    "SIZE": "demo",
    "FINETUNE_LRS": "0.02",  # the choice among several: see stub_study.py
    "JOBS": "2",
    "SPLITS": "--allow-missing-class",
}
_OPTIONS = ("runner.max_epochs=2", "data.workers_per_gpu=0", "checkpoint_config.interval=1")
#: What holds times, the picture of the first batch of a call, and the report, which has times and
#: pictures of the numbers that ``results.json`` holds.
_TIMES = ("*.log", "*.log.json", "report.html", ".*.lock", "tf_logs/*", "views.png")
#: The folder of every trial while it runs: files hold hashes of paths.
_WORK_DIR = "study"


def prepare(place: Path) -> None:
    """Write two configs, and the images and CSVs of a small data set."""
    make_demo_data(place / "isic", IMAGES, workers=1)
    for name, (base, parts) in {"ssl.py": _SSL, "finetune.py": _FINETUNE}.items():
        backbone = "backbone=dict(stem_channels=4, base_channels=4)"
        text = f"_base_ = {str(ROOT / base)!r}\nmodel = dict({backbone}, {parts})\nfp16 = None\n"
        (place / name).write_text(text)


def _works(place: Path, out: str) -> Sequence[Work]:
    env = {**_ENV, "ISIC_ROOT": str(place / "isic"), "WORK_DIR": str(place / _WORK_DIR)}
    env.update(SSL_CONFIG=str(place / "ssl.py"), FINETUNE_CONFIG=str(place / "finetune.py"))
    script = ROOT / "tools" / "isic2019" / "run_study.py"
    return [Work(_be_tool, (script, _OPTIONS, place, text_of(place, out), env))]


def _state(place: Path, out: str) -> dict[str, Any]:
    """Return all files and the curves of all logs; see ``files_of`` for what is left out.

    The folder gets the name of the trial only here.
    """
    folder = (place / _WORK_DIR).rename(place / out)
    found = files_of(folder, *_TIMES)
    for log in sorted({path.parent for path in folder.rglob("*.log.json")}):
        curves = read_log(log)
        name = f"curves of {log.relative_to(folder)}"
        found[name] = [curves.train_curve(), curves.val_curve("balanced_accuracy")]
    return found


SCENARIOS = (Scenario("study", _works, _state, alone=True),)
