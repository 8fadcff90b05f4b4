"""The code of the tutorial on new modules works as printed."""

import re
from pathlib import Path

import torch

from mmselfsup.models import MODELS, build_algorithm

TUTORIAL = Path(__file__).parents[2] / "docs" / "en" / "tutorials" / "3_new_module.md"


def test_new_module_trains():
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    scope = {}
    try:
        for block in blocks:
            exec(block, scope)
        model = build_algorithm(scope["model"])
        batch = {"img": [torch.rand(4, 3, 32, 32) for _ in range(2)], "idx": torch.arange(4)}
        out = model.train_step(batch)
        out["loss"].backward()
        assert list(out["log_vars"]) == ["loss_distance", "loss_spread", "loss"]
    finally:
        for name in ("Invariance", "InvarianceHead"):
            MODELS.module_dict.pop(name, None)
