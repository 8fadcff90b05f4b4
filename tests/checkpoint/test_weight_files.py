"""Weights by name, in safetensors files and in folders of Hugging Face's libraries."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from mmselfsup.core.checkpoint import load_state, weight_files
from mmselfsup.utils.errors import UserError


def test_safetensors_and_folders(tmp_path):
    weights = {"a.weight": torch.rand(2, 2), "b.weight": torch.rand(3)}
    save_file({"a.weight": weights["a.weight"]}, tmp_path / "1.safetensors")
    save_file({"b.weight": weights["b.weight"]}, tmp_path / "2.safetensors")
    index = {"weight_map": {"a.weight": "1.safetensors", "b.weight": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    found = load_state(str(tmp_path))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert load_state(str(tmp_path / "1.safetensors")).keys() == {"a.weight"}


@pytest.mark.parametrize(
    "break_file",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(b"no weights"),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_damaged_safetensors_file_is_one_line(tmp_path, break_file):
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.rand(9)}, path)
    break_file(path)
    with pytest.raises(
        UserError, match=r"no safetensors file(, or not a complete|: it is)"
    ) as caught:
        load_state(str(path))
    assert "\n" not in str(caught.value)


def test_timm_by_name_is_downloaded_once(tmp_path, monkeypatch):
    calls = []

    def weights(name):
        calls.append(name)
        return {"conv1.weight": torch.ones(2)}

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(weight_files, "timm_weights", weights)
    for _ in range(2):
        assert load_state("timm://resnet18.a1_in1k")["conv1.weight"].sum() == 2
    assert calls == ["resnet18.a1_in1k"]


def test_an_unknown_name_of_timm_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"timm has no model 'resnet19'; close are timm\.resnet18"):
        load_state("timm://resnet19")


def test_hugging_face_by_name_in_several_files(tmp_path, monkeypatch):
    """The parts come with their index, and are read together."""
    there, cache = tmp_path / "there", tmp_path / "cache"
    for folder in (there, there / "large", cache / "large"):
        folder.mkdir(parents=True)
    parts = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    for folder in (there, there / "large"):
        for name, file in parts.items():
            save_file({name: torch.ones(2)}, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))

    def download(_, file):
        if not (there / file).is_file():
            raise OSError(file)
        return shutil.copy(there / file, cache / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    for name in ("owner/name", "owner/name/large/model.safetensors.index.json"):
        assert set(load_state(f"hf://{name}")) == {"a", "b"}


def test_hugging_face_by_name(tmp_path, monkeypatch):
    save_file({"a": torch.ones(3)}, tmp_path / "model.safetensors")

    def download(repo, file):
        path = Path(tmp_path) / file
        if repo != "owner/name" or not path.exists():
            raise OSError(f"no {file} in {repo}. Check your\nconnection")
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert load_state("hf://owner/name")["a"].sum() == 3
    assert load_state("hf://owner/name/model.safetensors")["a"].sum() == 3
    with pytest.raises(
        UserError, match=r"hf://owner/other: no weights \(no pytorch_model.bin in ow"
    ):
        load_state("hf://owner/other")
    with pytest.raises(UserError, match="give hf://owner/model"):
        load_state("hf://name")
