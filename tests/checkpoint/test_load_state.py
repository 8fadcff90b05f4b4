"""Reading files: what is plain data is read, the rest is one clear error."""

import argparse
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config

from mmselfsup.core.checkpoint import class_names, load_state, meta_of
from mmselfsup.utils.errors import UserError


class Foreign:
    """A class that no loader should make."""


@pytest.fixture
def history_buffer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An object such as later OpenMMLab runners put into ``meta``."""
    module = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self) -> None:
            self._log_history = np.zeros(3)

    HistoryBuffer.__module__ = module.__name__
    HistoryBuffer.__qualname__ = "HistoryBuffer"
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return HistoryBuffer()


@pytest.mark.parametrize("zipped", [True, False])
def test_old_openmmlab_checkpoint(tmp_path: Path, history_buffer: Any, zipped: bool) -> None:
    meta = dict(
        config=Config(dict(model=dict(type="SimCLR"))).pretty_text,
        CLASSES=("MEL", "NV"),
        hook_msgs=dict(best_score=np.float64(0.5), last=np.int64(3), f=np.float32(2)),
        history=history_buffer,
        args=argparse.Namespace(lr=0.1),
        flags=np.array([True, False]),
    )
    file = tmp_path / "old.pth"
    state = dict(meta=meta, state_dict={"backbone.w": torch.ones(2)}, optimizer=dict(state={}))
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    loaded = load_state(str(file))
    assert torch.equal(loaded["state_dict"]["backbone.w"], torch.ones(2))
    assert loaded["meta"]["hook_msgs"] == dict(best_score=0.5, last=3, f=2)
    assert loaded["meta"]["args"].lr == 0.1
    assert Config.fromstring(loaded["meta"]["config"], ".py").model.type == "SimCLR"


def test_numpy_1_and_2_names(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save(dict(a=np.float64(0.5), b=np.arange(3)), file, _use_new_zipfile_serialization=False)
    data = file.read_bytes()
    for old, new in ((b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")):
        file.write_bytes(data.replace(old, new))
        loaded = load_state(str(file))
        assert loaded["a"] == 0.5
        assert loaded["b"].tolist() == [0, 1, 2]


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        lambda data: data[:100],
        lambda data: data[:-30],
        lambda data: b"",
        lambda data: b"hello, this is no checkpoint",
        lambda data: b"\x80\x02hello",
        lambda data: b"\xff\xd8\xff\xe0" + bytes(500),
        lambda data: b"import torch\n",
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_no_whole_checkpoint(
    tmp_path: Path, damage: Callable[[bytes], bytes], zipped: bool
) -> None:
    file = tmp_path / "bad.pth"
    state = dict(state_dict=dict(w=torch.randn(5000)))
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(
        UserError, match=r"bad\.pth is no checkpoint(, or not a|: it is a|: it is empty)"
    ) as error:
        load_state(str(file))
    assert "\n" not in str(error.value)


def test_foreign_object_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save(dict(x=Foreign()), file)
    with pytest.raises(UserError, match="Foreign, which is not read"):
        load_state(str(file))


class Trap:
    """An object whose pickle calls a function: what no reader may do."""

    called: list[str] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return spring, ("sprung",)


def spring(word: str) -> None:
    """Note that a file ran code."""
    Trap.called.append(word)


def test_a_model_beside_the_weights_of_a_lightning_checkpoint(tmp_path: Path) -> None:
    """As in lightly-train's checkpoints; nothing of it is run, and it is left out."""
    file = tmp_path / "last.ckpt"
    state = {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": torch.nn.Linear(3, 1).state_dict(),
        "callbacks": {"a": {"best": 0.5, "trap": Trap()}, "pair": (1, [Foreign()]), "of": Foreign},
        "library": {"models": {"net": torch.nn.Sequential(torch.nn.Linear(2, 2))}, "size": 64},
    }
    state["callbacks"]["itself"] = state["callbacks"]
    torch.save(state, file)
    loaded = load_state(str(file))
    assert not Trap.called
    assert list(loaded) == ["state_dict", "pytorch-lightning_version"]
    assert torch.equal(loaded["state_dict"]["weight"], state["state_dict"]["weight"])
    assert loaded["state_dict"]._metadata == state["state_dict"]._metadata


@pytest.mark.parametrize(
    "change",
    [
        {"state_dict": {"w": torch.ones(1), "x": Foreign()}},
        {"state_dict": Foreign()},
        {"state_dict": {"w": torch.ones(1)}, "pytorch-lightning_version": Foreign()},
    ],
)
def test_foreign_weights_of_a_lightning_checkpoint(tmp_path: Path, change: dict[str, Any]) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({"pytorch-lightning_version": "2.6.6", "more": Trap(), **change}, file)
    with pytest.raises(UserError, match="which is not read"):
        load_state(str(file))
    assert not Trap.called


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(2), "text"])
def test_not_a_dict(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "a.pth"
    torch.save(content, file)
    with pytest.raises(UserError, match="not the dict of a checkpoint"):
        load_state(str(file))


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint at"):
        load_state(str(tmp_path / "no.pth"))
    with pytest.raises(UserError, match="is a folder"):
        load_state(str(tmp_path))


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="no model of that name"):
        load_state("torchvision://resnet7")
    with pytest.raises(UserError, match="unknown name; known are"):
        load_state("mmcls://resnet7")


@pytest.mark.parametrize("meta", ["text", [1], 5, torch.ones(2), None])
def test_meta_of_a_stranger_is_no_crash(meta: Any) -> None:
    assert meta_of({"meta": meta}) == {}
    assert class_names({"meta": meta}) is None


@pytest.mark.parametrize("names", [5, "abc", {"a": 1}, [1, 2], [["a"], ["b"]], [], None])
def test_only_a_list_of_names_is_one_of_classes(names: Any) -> None:
    assert class_names({"meta": {"CLASSES": names}}) is None
    assert class_names({"meta": {"CLASSES": ("a", "b")}}) == ["a", "b"]
