"""Writing: whole or not at all, and readable without trust."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from torch import nn
from torch.optim import SGD, AdamW

from mmselfsup.core.checkpoint import (
    export_backbone,
    link_latest,
    load_optimizer_state,
    save,
    save_checkpoint,
)
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.utils.errors import UserError

Make = Callable[..., nn.Module]


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 2) -> None:
    for step in range(steps):
        for i, param in enumerate(model.parameters()):
            generator = torch.Generator().manual_seed(step * 100 + i)
            param.grad = torch.randn(param.shape, generator=generator)
        optimizer.step()


def test_round_trip_with_weights_only(tmp_path: Path, make_classifier: Make) -> None:
    model = make_classifier()
    optimizer = AdamW(model.parameters(), lr=0.1)
    trained(model, optimizer)
    meta: dict[str, Any] = dict(
        epoch=np.int64(3),
        best=np.float32(0.5),
        score=torch.tensor(0.25),
        CLASSES=("MEL", "NV"),
        path=tmp_path,
        cfg=Config(dict(a=1)),
        nested={1: {"x", "y"}},
        flag=True,
        none=None,
    )
    extra = dict(rng_state=[dict(torch=torch.get_rng_state(), python=[3, 2**40])])
    path = tmp_path / "new" / "epoch_3.pth"
    save_checkpoint(model, str(path), optimizer, meta, extra)
    loaded = torch.load(path, weights_only=True)
    assert list(loaded) == ["meta", "state_dict", "optimizer", "rng_state"]
    assert loaded["meta"] == dict(
        epoch=3,
        best=0.5,
        score=0.25,
        CLASSES=["MEL", "NV"],
        path=str(tmp_path),
        cfg=repr(Config(dict(a=1))),
        nested={"1": ["x", "y"]},
        flag=True,
        none=None,
    )
    assert loaded["rng_state"][0]["python"] == [3, 2**40]
    fresh = make_classifier()
    fresh.load_state_dict(loaded["state_dict"])
    other = AdamW(fresh.parameters(), lr=1.0)
    other.load_state_dict(loaded["optimizer"])
    trained(model, optimizer)
    trained(fresh, other)
    for a, b in zip(model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(a, b)


def test_versions_of_modules_are_kept(tmp_path: Path, make_classifier: Make) -> None:
    model = make_classifier()
    save_checkpoint(nn.DataParallel(model), str(tmp_path / "a.pth"))
    loaded = torch.load(tmp_path / "a.pth", weights_only=True)["state_dict"]
    assert list(loaded) == list(model.state_dict())
    assert loaded._metadata == model.state_dict()._metadata


def test_optimizers_by_name(tmp_path: Path, make_classifier: Make) -> None:
    model = make_classifier()
    optimizers = dict(
        backbone=SGD(model.backbone.parameters(), lr=0.1), head=SGD(model.head.parameters(), lr=1)
    )
    save_checkpoint(model, str(tmp_path / "a.pth"), optimizers)
    loaded = torch.load(tmp_path / "a.pth", weights_only=True)
    assert set(loaded["optimizer"]) == {"backbone", "head"}


@pytest.mark.parametrize(
    "error", [RuntimeError("killed"), KeyboardInterrupt(), OSError(28, "no space left")]
)
def test_stopped_while_writing_keeps_the_old_file(
    tmp_path: Path,
    make_classifier: Make,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    path = tmp_path / "latest.pth"
    save_checkpoint(make_classifier(), str(path), meta=dict(epoch=1))

    def half_written(state: Any, file: Any) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(save.torch, "save", half_written)
    with pytest.raises(UserError if isinstance(error, OSError) else type(error)):
        save_checkpoint(make_classifier(), str(path), meta=dict(epoch=2))
    assert torch.load(path, weights_only=True)["meta"]["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["latest.pth"]


def test_place_that_cant_be_written(tmp_path: Path, make_classifier: Make) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't write"):
        save_checkpoint(make_classifier(), str(tmp_path / "file" / "a.pth"))


def test_extra_may_not_hide_the_weights(tmp_path: Path, make_classifier: Make) -> None:
    with pytest.raises(TypeError, match="state_dict"):
        save_checkpoint(make_classifier(), str(tmp_path / "a.pth"), extra=dict(state_dict={}))


def test_remote_path_goes_through_file_client(
    make_classifier: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    put: dict[str, bytes] = {}

    class Client:
        def put(self, data: bytes, path: str) -> None:
            put[path] = data

    monkeypatch.setattr(save.FileClient, "infer_client", lambda uri: Client())
    save_checkpoint(make_classifier(), "s3://results/a.pth")
    assert len(put["s3://results/a.pth"]) > 1000


def test_link_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in (1, 2):
        (tmp_path / f"epoch_{i}.pth").write_text(str(i))
        link_latest(str(tmp_path / f"epoch_{i}.pth"))
        assert (tmp_path / "latest.pth").read_text() == str(i)
    assert (tmp_path / "latest.pth").is_symlink()

    def no_links(self: Path, target: str) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", no_links)
    link_latest(str(tmp_path / "epoch_1.pth"))
    assert (tmp_path / "latest.pth").read_text() == "1"
    assert not (tmp_path / "latest.pth").is_symlink()
    assert len(list(tmp_path.iterdir())) == 3


def test_backbone_file_has_bare_names(
    tmp_path: Path, make_classifier: Make, make_backbone: Make
) -> None:
    model = make_classifier()
    assert export_backbone(nn.DataParallel(model), str(tmp_path / "backbone.pth"))
    loaded = torch.load(tmp_path / "backbone.pth", weights_only=True)
    make_backbone().load_state_dict(loaded, strict=True)
    assert torch.equal(loaded["conv1.weight"], model.backbone.conv1.weight)
    assert not export_backbone(nn.Linear(2, 2), str(tmp_path / "none.pth"))
    assert not (tmp_path / "none.pth").exists()


OPTIONS = {"(bn|gn)(\\d+)?.(weight|bias)": dict(weight_decay=0.0, lars_exclude=True)}


def old_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """One group per parameter, as MMSelfSup 0.x made them."""
    from mmselfsup.core.optimizer import LARS

    options = dict(weight_decay=0.0, lars_exclude=True)
    groups = [
        dict(params=[p], **(options if "bn" in n else {})) for n, p in model.named_parameters()
    ]
    return LARS(groups, lr=0.3, momentum=0.9, weight_decay=0.1)


def test_optimizer_of_0x_resumes_exactly(make_classifier: Make) -> None:
    old, new = make_classifier(), make_classifier()
    optimizer = old_optimizer(old)
    trained(old, optimizer)
    new.load_state_dict(old.state_dict())
    config = dict(type="LARS", lr=9.0, momentum=0.9, weight_decay=0.1, paramwise_options=OPTIONS)
    resumed = build_optimizer(new, config)
    saved = copy.deepcopy(optimizer.state_dict())  # otherwise both share the buffers
    load_optimizer_state(resumed, saved, new, list(old.state_dict()))
    assert {group["lr"] for group in resumed.param_groups} == {0.3}
    trained(old, optimizer)
    trained(new, resumed)
    for a, b in zip(old.parameters(), new.parameters(), strict=True):
        assert torch.equal(a, b)


def test_optimizer_of_another_config_is_an_error(make_classifier: Make) -> None:
    model = make_classifier()
    saved = SGD(
        [dict(params=model.backbone.parameters()), dict(params=model.head.parameters())], lr=1
    ).state_dict()
    with pytest.raises(UserError, match="resume with the config of the checkpoint"):
        load_optimizer_state(SGD(model.parameters(), lr=1), saved, model, list(model.state_dict()))
