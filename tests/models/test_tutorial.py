"""The code of the tutorial on new modules works as printed."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from mmselfsup.datasets import PIPELINES
from mmselfsup.models import MODELS, build_algorithm
from tests.contract.tiny_models import TINY
from tests.tools.command import run_tool

TUTORIAL = Path(__file__).parents[2] / "docs" / "en" / "tutorials" / "3_new_module.md"
BLOCKS = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), flags=re.DOTALL)
NAMED = re.compile(r"# (\w+\.py)\n")


@pytest.fixture
def _registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a block registers is gone afterwards."""
    for registry in (MODELS, PIPELINES):
        monkeypatch.setattr(registry, "_module_dict", dict(registry.module_dict))


@pytest.mark.usefixtures("_registries")
def test_barlow_twins_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page, one after the other: images, a method, its test, a training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # PYTHONPATH=.
    files: dict[str, str] = {}
    for block in BLOCKS:
        if name := NAMED.match(block):
            files[name[1]] = files.get(name[1], "") + block[name.end() :]
    names = ["make_images.py", "barlow.py", "test_barlow.py", "barlow_config.py", "look.py"]
    assert list(files) == names
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    runpy.run_path("make_images.py")
    # In a process of its own, which imports barlow.py by the config alone.
    (command,) = re.findall(
        r"^PYTHONPATH=\. python tools/(train\.py .*)$", TUTORIAL.read_text(), re.M
    )
    done = run_tool(*command.split(), folder=tmp_path)
    assert done.code == 0, done.text
    runpy.run_path("look.py")
    runpy.run_path("test_barlow.py")
    assert next(tmp_path.glob("work_dirs/barlow/backbone.pth")).is_file()


@pytest.mark.usefixtures("_registries")
def test_other_blocks() -> None:
    scope: dict[str, Any] = {}
    others = [block for block in BLOCKS if not NAMED.match(block)]
    assert len(others) == 2
    for block in others:
        exec(block, scope)
    teacher = build_algorithm({**TINY["BYOL"].cfg, "type": "BYOLTeacher"})
    assert teacher.evaluated() is teacher.target_net[0]
    mask = scope["UniformMask"](patches=8, ratio=0.5)(None)[1]
    assert mask.shape == (8, 8)
    assert mask.dtype == torch.bool
