"""Cutting checkpoints down, by call and by command line."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mmselfsup.core.checkpoint import extract_backbone, publish_model, save_checkpoint
from mmselfsup.utils.errors import UserError

Make = Callable[..., nn.Module]
TOOLS = Path(__file__).parents[2] / "tools" / "model_converters"


def run_tool(name: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / name), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("prefix", ["backbone.", "module.backbone.", "online_net.0.", "encoder_q."])
def test_backbone_of_any_checkpoint(prefix: str, tmp_path: Path, make_backbone: Make) -> None:
    source = make_backbone().state_dict()
    state = {prefix + name: tensor for name, tensor in source.items()}
    torch.save(dict(state_dict={**state, "head.fc.weight": torch.ones(1)}), tmp_path / "a.pth")
    found, number = extract_backbone(str(tmp_path / "a.pth"), str(tmp_path / "b.pth"))
    assert (found, number) == (prefix, len(source))
    kept = torch.load(tmp_path / "b.pth", weights_only=True)["state_dict"]
    assert list(kept) == list(source)


def test_prefix_by_hand_and_unknown_prefix(tmp_path: Path) -> None:
    torch.save({"trunk.a": torch.ones(1), "top.b": torch.ones(1)}, tmp_path / "a.pth")
    files = (str(tmp_path / "a.pth"), str(tmp_path / "b.pth"))
    with pytest.raises(UserError, match=r"begin with top\.b, trunk\.a"):
        extract_backbone(*files)
    assert not (tmp_path / "b.pth").exists()
    assert extract_backbone(*files, prefix="trunk.") == ("trunk.", 1)
    with pytest.raises(UserError, match=r"no weight begins with 'stem\.'"):
        extract_backbone(*files, prefix="stem.")


def test_published_file_is_named_by_its_content(tmp_path: Path, make_classifier: Make) -> None:
    model = make_classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    save_checkpoint(model, str(tmp_path / "a.pth"), optimizer, dict(epoch=1), dict(rng_state=[1]))
    path = publish_model(str(tmp_path / "a.pth"), str(tmp_path / "net.pth"))
    assert path.name == f"net-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    assert set(torch.load(path, weights_only=True)) == {"meta", "state_dict"}


def test_command_lines(tmp_path: Path, make_classifier: Make) -> None:
    save_checkpoint(make_classifier(), str(tmp_path / "a.pth"))
    run = run_tool("extract_backbone_weights.py", tmp_path / "a.pth", tmp_path / "b.pth")
    assert run.returncode == 0, run.stderr
    assert "'backbone.' taken off" in run.stdout
    run = run_tool("publish_model.py", tmp_path / "no.pth", tmp_path / "c.pth")
    assert run.returncode == 2
    assert "no checkpoint at" in run.stderr
    assert "Traceback" not in run.stderr
