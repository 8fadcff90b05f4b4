"""The lines of docs/en/export.md that use backbone.pth run as printed, without this package."""

import re
from pathlib import Path

import pytest
import torch

from mmselfsup.core.checkpoint import export_backbone
from mmselfsup.models import build_algorithm

PAGE = Path(__file__).parents[2] / "docs/en/export.md"


def test_the_printed_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "mmselfsup" not in code
    assert len(code.splitlines()) <= 10
    head = dict(type="ContrastiveHead")
    neck = dict(type="LinearNeck", in_channels=512, out_channels=8)
    backbone = dict(type="ResNet", depth=18)
    torch.manual_seed(0)
    model = build_algorithm(dict(type="SimCLR", backbone=backbone, neck=neck, head=head))
    export_backbone(model, str(tmp_path / "backbone.pth"))
    monkeypatch.chdir(tmp_path)
    found: dict[str, torch.Tensor] = {}
    exec(code, found)
    with torch.no_grad():
        wanted = model.eval()(found["images"], mode="extract")[-1].mean(dim=(2, 3))
    assert found["features"].shape == (4, 512)
    torch.testing.assert_close(found["features"], wanted)
