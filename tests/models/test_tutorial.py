"""The code of the tutorial on new modules works as printed."""

import re
from pathlib import Path

import torch

from mmselfsup.datasets import PIPELINES
from mmselfsup.models import MODELS, build_algorithm
from tests.contract.tiny_models import TINY

TUTORIAL = Path(__file__).parents[2] / "docs" / "en" / "tutorials" / "3_new_module.md"


def test_new_module_trains():
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), flags=re.DOTALL)
    assert len(blocks) == 5
    scope = {}
    try:
        for block in blocks:
            exec(block, scope)
        model = build_algorithm(scope["model"])
        batch = {"img": [torch.rand(4, 3, 32, 32) for _ in range(2)], "idx": torch.arange(4)}
        out = model.train_step(batch)
        out["loss"].backward()
        assert list(out["log_vars"]) == ["loss_distance", "loss_spread", "loss"]
        teacher = build_algorithm({**TINY["BYOL"].cfg, "type": "BYOLTeacher"})
        assert teacher.evaluated() is teacher.target_net[0]
        mask = scope["UniformMask"](patches=8, ratio=0.5)(None)[1]
        assert mask.shape == (8, 8)
    finally:
        for name in ("Invariance", "InvarianceHead", "BYOLTeacher"):
            MODELS.module_dict.pop(name, None)
        PIPELINES.module_dict.pop("UniformMask", None)
