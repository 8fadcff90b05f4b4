"""Where the weights of a file are, and files that have none."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmselfsup.core.checkpoint import load_state, load_weights, weights_of
from mmselfsup.utils.errors import UserError

WEIGHTS = {"conv1.weight": torch.ones(2, 2), "layer1.0.weight": torch.ones(2)}
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(3, 3)}}, "param_groups": [{"lr": 1.0}]}


@pytest.mark.parametrize(
    ("state", "prefix"),
    [
        ({"state_dict": {"model": WEIGHTS}}, "model."),
        ({"state_dict": {"net": {"inner": WEIGHTS}}}, "net.inner."),
        ({"state_dict": {}, "model": WEIGHTS, "optimizer": OPTIMIZER}, ""),
        ({"models": [WEIGHTS]}, "models.0."),
        ({"ema": WEIGHTS, "optimizer": OPTIMIZER}, "ema."),
    ],
)
def test_weights_at_other_places(state: dict[str, Any], prefix: str) -> None:
    assert list(weights_of(state, "a.pth")) == [prefix + name for name in WEIGHTS]


@pytest.mark.parametrize(
    "wrapper", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."]
)
@pytest.mark.parametrize("at", ["", "layer1."])
def test_names_of_wrappers(wrapper: str, at: str) -> None:
    state = {f"module.{n.replace(at, at + wrapper, 1)}": tensor for n, tensor in WEIGHTS.items()}
    assert list(weights_of(state, "a.pth")) == [f"module.{name}" for name in WEIGHTS]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "an empty dict; save model"),
        ({"state_dict": {}, "epoch": 3}, "its keys are state_dict, epoch; save"),
        ({"optimizer": OPTIMIZER, "lr_schedulers": [OPTIMIZER]}, "its keys are optimizer, lr_"),
        ({f"k{i}": i for i in range(400)}, "k7 and 392 more; save"),
        ({3: 4, None: 5}, "its keys are 3, None; save"),
    ],
)
def test_files_without_weights(state: dict[Any, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        weights_of(state, "a.pth")


def test_numbers_as_names(tmp_path: Path) -> None:
    torch.save({0: torch.zeros(2, 2)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="names begin with '0'"):
        load_weights(nn.Sequential(nn.Linear(3, 4)), str(tmp_path / "a.pth"))


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")


def script(path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(path))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1"), "lfs pull"),
        (lambda path: path.write_bytes(b"\n<!DOCTYPE HTML><html></html>"), "web page .* download"),
        (lambda path: path.write_bytes(gzip.compress(b"weights")), "gzip archive; unpack"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5"),
        (lambda path: path.write_bytes(b"model = dict(type='SimCLR')\n"), "a text; name the file"),
        (zipped, "zip archive, which holds readme.txt; unpack"),
        (script, "TorchScript program; .*state_dict"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_other_files_are_named(
    name: str, write: Callable[[Path], Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(UserError, match=f"{name} is no .*: it is .*") as caught:
        load_state(str(tmp_path / name))
    assert caught.match(message)
    assert "\n" not in str(caught.value)


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.pth")
    torch.save(WEIGHTS, tmp_path / "b.safetensors")
    for path in tmp_path.iterdir():
        for mmap in (False, True):
            assert list(load_state(str(path), mmap=mmap)) == list(WEIGHTS)
