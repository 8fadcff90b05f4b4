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
from mmselfsup.core.checkpoint.publish import find_backbone
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


CONFIG = """model = dict(
    type="ODC",
    init_cfg=dict(type="Pretrained", checkpoint="/data/grace/secret/resnet.pth"),
    backbone=dict(type="ResNet", depth=50, init_cfg=dict(checkpoint="torchvision://resnet50")),
)
optimizer = dict(type="SGD", lr=0.1)
data = dict(train=dict(data_source=dict(data_prefix="/data/grace/images")))
work_dir = "/data/grace/runs"
resume_from = __import__("os").system("false")
"""


def test_published_file_names_no_place_no_person_and_no_image(
    tmp_path: Path, make_classifier: Make
) -> None:
    model = make_classifier()
    model.memory_bank = nn.Module()
    for name in ("feature_bank", "label_bank", "centroids"):
        model.memory_bank.register_buffer(name, torch.ones(3))
    meta = dict(
        epoch=3, CLASSES=["MEL", "NV"], config=CONFIG, env_info="host of grace",
        exp_name="grace.py",
        hook_msgs=dict(best_ckpt="/data/grace/runs/best.pth"), time="today", seed=5,
    )  # fmt: skip
    extra = dict(
        rng_state=[1],
        hook_state={
            "WeightAverageHook": {"average": {"w": torch.ones(2)}},
            "DeepClusterHook": {"labels": torch.arange(5)},
        },
    )
    save_checkpoint(model, str(tmp_path / "a.pth"), None, meta, extra)
    path = publish_model(str(tmp_path / "a.pth"), str(tmp_path / "net.pth"))
    state = torch.load(path, weights_only=True)
    assert set(state) == {"meta", "state_dict"}
    assert set(state["meta"]) == {"CLASSES", "epoch", "seed", "config"}
    assert "torchvision://resnet50" in state["meta"]["config"]
    assert "lr=0.1" in state["meta"]["config"]
    for word in ("grace", "secret", "work", "images", "system"):
        assert word not in repr(state["meta"]), word
        assert word.encode() not in path.read_bytes(), word
    gone = {"memory_bank.feature_bank", "memory_bank.label_bank"}
    assert set(state["state_dict"]) == set(model.state_dict()) - gone
    assert state["state_dict"]._metadata  # versions of modules


def test_a_published_file_of_bare_weights_and_of_an_odd_config(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.ones(1)}, "args": {"user": "grace"}}, tmp_path / "a.pth")
    state = torch.load(
        publish_model(str(tmp_path / "a.pth"), str(tmp_path / "b")), weights_only=True
    )
    assert (set(state["state_dict"]), state["meta"]) == ({"a"}, {})
    for config in ("a: 1\nb: [", 5, "\0"):
        torch.save(
            {"state_dict": {"a": torch.ones(1)}, "meta": {"config": config}}, tmp_path / "a.pth"
        )
        path = publish_model(str(tmp_path / "a.pth"), str(tmp_path / "b"))
        assert torch.load(path, weights_only=True)["meta"] == {}


def test_a_backbone_under_timms_names_needs_no_prefix() -> None:
    for first in ("conv1", "patch_embed.projection", "patch_embed.proj"):
        assert find_backbone([f"{first}.weight", "blocks.0.norm1.weight"], "a.pth") == ""
