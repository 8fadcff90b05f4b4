"""Weights of other libraries: loaded here, they give the features that the library gives.

Models of the libraries have random weights. For code that is no package (Meta's DINOv2 and DINOv3,
PanDerm), a network of timm is saved under the published names.
"""

import copy
import json
import re

import huggingface_hub
import pytest
import timm
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.core.checkpoint.naming_schemes import library_names
from mmselfsup.core.checkpoint.pretext_heads import pretext_task
from mmselfsup.core.checkpoint.publish import extract_backbone
from mmselfsup.core.checkpoint.save import export_backbone
from mmselfsup.core.checkpoint.timm_names import timm_names
from mmselfsup.core.checkpoint.unseen_facts import Facts, facts_of_file
from mmselfsup.models import build_backbone
from mmselfsup.models.utils import pooled, spatial_map
from mmselfsup.utils.errors import UserError

OURS = {
    "type": "VisionTransformer",
    "arch": {"embed_dims": 24, "num_layers": 2, "num_heads": 2, "feedforward_channels": 48},
    "img_size": 32,
    "patch_size": 8,
}
SMALL = {"embed_dim": 24, "depth": 2, "num_heads": 2, "img_size": 32, "patch_size": 8}
TIMM = {"type": "timm.vit_small_patch16_224", "mlp_ratio": 2, **SMALL}
REGISTERS = {"type": "timm.vit_small_patch14_reg4_dinov2", "mlp_ratio": 2, **SMALL}
DINOV2 = {"type": "timm.vit_small_patch14_dinov2", "mlp_ratio": 2, **SMALL}
DINOV3 = {"type": "timm.vit_small_patch16_dinov3_qkvb", "mlp_ratio": 2, **SMALL}
RESNET = {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8}
HF = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


class Holder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.backbone = build_backbone(copy.deepcopy(config))


def randomize(net):
    """Draw all weights of a network, also those that start from a constant."""
    generator = torch.Generator().manual_seed(3)
    for param in net.parameters():
        param.data.normal_(std=0.2, generator=generator)
    for name, buffer in net.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5, generator=generator)
    net.eval()  # mmcls's networks return None
    return net


def loaded(config, path):
    """Return a backbone with the weights of a file, and the report."""
    holder = Holder(config)
    report = load_weights(holder, str(path))
    assert report.complete, report
    holder.eval()  # that of mmcls's networks returns None
    return holder.backbone, report


def images(side=32, channels=3):
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def features(backbone, side=32):
    (out,) = backbone(images(side))
    return pooled(out), spatial_map(out)


def close(result, cls_token, grid):
    torch.testing.assert_close(result[0], cls_token, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(result[1], grid, atol=1e-5, rtol=1e-5)


def hf_features(model, extra=1, side=32):
    options = {"interpolate_pos_encoding": True} if side != 32 and extra == 1 else {}
    with torch.no_grad():
        hidden = model(images(side), **options).last_hidden_state
    rows = side // 8
    return hidden[:, 0], hidden[:, extra:].transpose(1, 2).unflatten(2, (rows, rows))


def hf_model(kind, **options):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(**{**HF, **options})
    return randomize(getattr(transformers, f"{kind}Model")(config))


@pytest.mark.parametrize("side", [32, 48])
def test_hugging_face_vit(tmp_path, side):
    model = hf_model("ViT", intermediate_size=48, layer_norm_eps=1e-6)
    model.save_pretrained(tmp_path)
    expected = hf_features(model, side=side)
    own, report = loaded({**OURS, "img_size": side}, tmp_path)
    close(features(own, side), *expected)
    assert report.schemes == ("Hugging Face ViT or DINOv2",)
    if side == 32:
        close(features(loaded(TIMM, tmp_path / "model.safetensors")[0]), *expected)
        torch.save(model.state_dict(), tmp_path / "memory.pth")  # 5.x has other names in memory
        close(features(loaded(OURS, tmp_path / "memory.pth")[0]), *expected)


@pytest.mark.parametrize("side", [32, 48])
def test_hugging_face_dinov2(tmp_path, side):
    model = hf_model("Dinov2", mlp_ratio=2, layer_norm_eps=1e-6)
    model.save_pretrained(tmp_path)
    with torch.no_grad():  # it interpolates by itself
        hidden = model(images(side)).last_hidden_state
    rows = side // 8
    expected = hidden[:, 0], hidden[:, 1:].transpose(1, 2).unflatten(2, (rows, rows))
    # Ours has no LayerScale: its factors are multiplied into the layers before them.
    close(features(loaded({**OURS, "img_size": side}, tmp_path)[0], side), *expected)
    if side == 32:
        close(features(loaded(DINOV2, tmp_path)[0]), *expected)


def dinov2_features(model, extra, side, antialias, monkeypatch):
    """Return the features of a DINOv2 of transformers, positions interpolated as one is told to.

    Its models with registers do it with antialiasing, the others without.
    """

    def interpolate(*args, **options):
        return torch_interpolate(*args, **{**options, "antialias": antialias})

    torch_interpolate = nn.functional.interpolate
    with monkeypatch.context() as patched, torch.no_grad():
        patched.setattr(nn.functional, "interpolate", interpolate)
        hidden = model(images(side)).last_hidden_state
    rows = side // 8
    return hidden[:, 0], hidden[:, extra:].transpose(1, 2).unflatten(2, (rows, rows))


@pytest.mark.parametrize("side", [32, 48])
def test_hugging_face_dinov2_with_registers(tmp_path, side, monkeypatch):
    model = hf_model("Dinov2WithRegisters", mlp_ratio=2, layer_norm_eps=1e-6)
    model.save_pretrained(tmp_path)
    backbone, report = loaded(REGISTERS, tmp_path)
    with torch.no_grad():  # timm's rule at another size is that of these models
        hidden = model(images(side)).last_hidden_state
    theirs = dinov2_features(model, 5, side, True, monkeypatch)
    torch.testing.assert_close(hidden[:, 0], theirs[0])
    close(features(backbone, side), *theirs)
    assert not report.resized
    ours = {**OURS, "img_size": side, "num_registers": 4}  # without antialiasing, as for all files
    own = features(loaded(ours, tmp_path)[0], side)
    close(own, *dinov2_features(model, 5, side, False, monkeypatch))


@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("registers", [0, 4])
def test_hugging_face_dinov2_swiglu(tmp_path, side, registers, monkeypatch):
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    model = hf_model(kind, mlp_ratio=2, layer_norm_eps=1e-6, use_swiglu_ffn=True)
    model.save_pretrained(tmp_path)
    # Two thirds of the width, rounded up to a multiple of 8, for each of gate and values.
    name = "vit_giant_patch14_reg4_dinov2" if registers else "vit_giant_patch14_dinov2"
    config = {**DINOV2, "type": f"timm.{name}", "mlp_ratio": 2 * 32 / 24}
    backbone, report = loaded(config, tmp_path)
    assert set(report.unexpected) <= {"mask_token"}
    theirs = dinov2_features(model, 1 + registers, side, True, monkeypatch)  # timm's rule
    close(features(backbone, side), *theirs)


def test_registers_in_timms_names_and_back(tmp_path):
    config = {**OURS, "num_registers": 4}
    net = randomize(build_backbone(copy.deepcopy(config)))
    written = timm_names(net.state_dict(), "a.pth")
    torch.save(written, tmp_path / "a.pth")
    theirs = build_backbone({**TIMM, "reg_tokens": 4, "no_embed_class": True}).eval()
    theirs.load_state_dict(written)
    close(features(theirs), *features(net))
    close(features(loaded(config, tmp_path / "a.pth")[0]), *features(net))


@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("gated", [False, True])
def test_hugging_face_dinov3(tmp_path, side, gated):
    options = {"intermediate_size": 48, "num_register_tokens": 4, "use_gated_mlp": gated}
    model = hf_model("DINOv3ViT", hidden_act="silu" if gated else "gelu", **options)
    model.save_pretrained(tmp_path)
    name = "vit_small_plus_patch16_dinov3_qkvb" if gated else "vit_small_patch16_dinov3_qkvb"
    config = {**DINOV3, "type": f"timm.{name}"}
    close(features(loaded(config, tmp_path)[0], side), *hf_features(model, extra=5, side=side))


@pytest.mark.parametrize("side", [32, 48])
def test_hugging_face_resnet(tmp_path, side):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2, 2, 2, 2], layer_type="basic"
    )
    model = randomize(transformers.ResNetModel(config))
    model.save_pretrained(tmp_path)
    backbone, report = loaded(RESNET, tmp_path)
    with torch.no_grad():
        expected = model(images(side)).last_hidden_state
    torch.testing.assert_close(features(backbone, side)[1], expected, atol=1e-5, rtol=1e-5)
    assert report.schemes == ("Hugging Face ResNet",)


HF_SWIN = {
    "image_size": 32, "patch_size": 2, "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2],
    "window_size": 4, "layer_norm_eps": 1e-5,
}  # fmt: skip
OWN_SWIN = {
    "type": "mmcls.SwinTransformer", "patch_size": 2, "window_size": 4, "out_indices": (1,),
    "arch": {"embed_dims": 12, "depths": [2, 2], "num_heads": [2, 2]},
}  # fmt: skip
TIMM_SWIN = {
    "type": "timm.swin_tiny_patch4_window7_224", "patch_size": 2, "window_size": 4,
    "embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2),
}  # fmt: skip


@pytest.mark.parametrize("side", [32, 48])
def test_hugging_face_swin(tmp_path, side):
    """The grids of 16 and 24 places are several windows, some of them shifted."""
    transformers = pytest.importorskip("transformers")
    model = randomize(transformers.SwinModel(transformers.SwinConfig(**HF_SWIN)))
    model.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "memory.pth")
    with torch.no_grad():
        hidden = model(images(side)).last_hidden_state
    expected = hidden.transpose(1, 2).unflatten(2, (side // 4, side // 4))
    for config in ({**TIMM_SWIN, "img_size": side}, {**OWN_SWIN, "img_size": side}):
        for path in (tmp_path / "model.safetensors", tmp_path / "memory.pth"):
            backbone, report = loaded(config, path)
            assert report.schemes == ("Hugging Face Swin",)
            grid = features(backbone, side)[1]
            torch.testing.assert_close(grid, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("version", ["", "V2"])
@pytest.mark.parametrize("conv_mlp", [True, False])
@pytest.mark.parametrize("side", [64, 96])
def test_hugging_face_convnext(tmp_path, version, conv_mlp, side):
    """timm's small models have convolutions where the others have linear layers."""
    transformers = pytest.importorskip("transformers")
    widths, depths = [8, 16, 24, 32], [1, 1, 2, 1]
    config = getattr(transformers, f"ConvNext{version}Config")(hidden_sizes=widths, depths=depths)
    model = randomize(getattr(transformers, f"ConvNext{version}Model")(config))
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        result = model(images(side))
    theirs = {"type": f"timm.convnext{version.lower()}_atto", "dims": widths, "depths": depths}
    backbone, report = loaded({**theirs, "conv_mlp": conv_mlp}, tmp_path)
    assert report.schemes == ("Hugging Face ConvNeXt",)
    assert not report.unexpected
    grid = features(backbone, side)[1]
    torch.testing.assert_close(grid, result.last_hidden_state, atol=1e-5, rtol=1e-5)
    norm = backbone.net.head.norm(grid.mean((2, 3), keepdim=True)).flatten(1)
    torch.testing.assert_close(norm, result.pooler_output, atol=1e-5, rtol=1e-5)


BEIT = {"type": "timm.beit_base_patch16_224", "mlp_ratio": 2, **SMALL}


@pytest.mark.parametrize("shared", [False, True])
def test_hugging_face_beit(tmp_path, shared):
    """Biases of relative positions, of each block or of all together."""
    options = {
        "use_shared_relative_position_bias" if shared else "use_relative_position_bias": True
    }
    model = hf_model("Beit", intermediate_size=48, layer_norm_eps=1e-6, **options)
    model.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "memory.pth")
    config = {**BEIT, "use_rel_pos_bias": not shared, "use_shared_rel_pos_bias": shared}
    for path in (tmp_path / "model.safetensors", tmp_path / "memory.pth"):
        backbone, report = loaded(config, path)
        close(features(backbone), *hf_features(model))
        assert report.schemes == ("Hugging Face ViT or DINOv2",)
        assert not report.unexpected
    # At another size by timm's rule for timm's own file.
    torch.save(backbone.state_dict(), tmp_path / "timm.pth")
    larger = [
        loaded({**config, "img_size": 48}, tmp_path / name)[0]
        for name in ("model.safetensors", "timm.pth")
    ]
    close(features(larger[0], 48), *features(larger[1], 48))


def test_hugging_face_beit_with_positions(tmp_path):
    model = hf_model(
        "Beit", intermediate_size=48, layer_norm_eps=1e-6, use_absolute_position_embeddings=True
    )
    model.save_pretrained(tmp_path)
    config = {**BEIT, "use_abs_pos_emb": True, "use_rel_pos_bias": False}
    close(features(loaded(config, tmp_path)[0]), *hf_features(model))


def torchvision_vit(side=32):
    return randomize(TorchvisionViT(side, 8, 2, 2, 24, 48))


def torchvision_features(model, side=32):
    with torch.no_grad():
        x = model._process_input(images(side))
        tokens = model.encoder(torch.cat([model.class_token.expand(len(x), -1, -1), x], dim=1))
    return tokens[:, 0], tokens[:, 1:].transpose(1, 2).unflatten(2, (side // 8, side // 8))


@pytest.mark.parametrize("target", [OURS, TIMM])
def test_torchvision_vit(tmp_path, target):
    model = torchvision_vit()
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    backbone, report = loaded(target, tmp_path / "vit.pth")
    close(features(backbone), *torchvision_features(model))
    assert report.schemes == ("torchvision's ViT",)


def test_torchvision_vit_for_another_size(tmp_path):
    model, larger = torchvision_vit(), torchvision_vit(48)
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    backbone, report = loaded({**OURS, "img_size": 48}, tmp_path / "vit.pth")
    assert [m.name for m in report.resized] == ["backbone.pos_embed"]
    # torchvision's own function aligns the corners of the two grids, ours the edges of patches.
    state = {**model.state_dict(), "encoder.pos_embedding": backbone.pos_embed}
    larger.load_state_dict(state)
    close(features(backbone, 48), *torchvision_features(larger, 48))


def test_torchvision_vit_takes_weights_of_timm_and_ours():
    model = torchvision_vit()
    wanted = {k: v for k, v in model.state_dict().items() if "heads" not in k}
    for config in (TIMM, OURS):
        source = randomize(build_backbone(copy.deepcopy(config)))
        found, _ = library_names(source.state_dict(), model.state_dict())
        assert found.keys() == wanted.keys()
        model.load_state_dict(found, strict=False)
        close(features(source), *torchvision_features(model))


def test_lightly_resnet_in_a_sequential(tmp_path):
    net = randomize(resnet18())
    holder = nn.Module()  # as its tutorials build a model
    holder.backbone = nn.Sequential(*list(net.children())[:-1])
    holder.projection_head = nn.Sequential(nn.Linear(512, 8))
    torch.save({"state_dict": holder.state_dict()}, tmp_path / "simclr.ckpt")
    backbone, report = loaded({"type": "ResNet", "depth": 18}, tmp_path / "simclr.ckpt")
    with torch.no_grad():
        expected = holder.backbone(images())
    assert torch.allclose(features(backbone)[0], expected.flatten(1), rtol=1e-5, atol=1e-5)
    assert report.schemes == ("a ResNet in a Sequential (lightly)",)


CIFAR = {"type": "mmcls.ResNet_CIFAR", "depth": 18, "out_indices": (3,)}


def generator_names(state):
    """Return weights of a ResNet under the names of lightly's ResNetGenerator."""
    found = {k.replace(".downsample.", ".shortcut."): v for k, v in state.items()}
    return {**found, "linear.weight": torch.ones(10, 512), "linear.bias": torch.ones(10)}


def in_sequential(state):
    """Return weights of it under the names of lightly's tutorials, behind ``backbone.``."""
    places = {"conv1": 0, "bn1": 1, "layer1": 2, "layer2": 3, "layer3": 4, "layer4": 5}
    found = {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        if first in places:
            found[f"backbone.{places[first]}.{rest}"] = tensor
    return {"state_dict": {**found, "projection_head.layers.0.weight": torch.ones(8, 512)}}


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("whole", [True, False])
def test_lightly_resnet_generator_by_names(tmp_path, depth, whole):
    config = {**CIFAR, "depth": depth}
    net = randomize(build_backbone(copy.deepcopy(config)))
    state = generator_names(net.state_dict())
    torch.save(state if whole else in_sequential(state), tmp_path / "simclr.ckpt")
    backbone, report = loaded(config, tmp_path / "simclr.ckpt")
    assert {k: v.shape for k, v in net.state_dict().items()} == {
        k: v.shape for k, v in backbone.state_dict().items()
    }
    assert len(report.schemes) == 1
    assert "ResNetGenerator" in report.schemes[0]
    for side in (16, 24):
        torch.testing.assert_close(features(backbone, side), features(net, side))


@pytest.mark.parametrize("side", [32, 48])
def test_lightly_resnet_generator(tmp_path, side):
    """Also as the ``Sequential`` of lightly's tutorials, but for a ReLU that this leaves out."""
    models = pytest.importorskip("lightly.models")
    model = randomize(models.ResNetGenerator("resnet-18"))
    holder, maps = nn.Module(), []
    holder.backbone = nn.Sequential(*list(model.children())[:-1], nn.AdaptiveAvgPool2d(1))
    model.layer4.register_forward_hook(lambda module, args, output: maps.append(output))
    with torch.no_grad():
        model(images(side))
    names = generator_names(build_backbone(copy.deepcopy(CIFAR)).state_dict())
    assert model.state_dict().keys() == names.keys()
    assert holder.state_dict().keys() == {
        name for name in in_sequential(names)["state_dict"] if name.startswith("backbone.")
    }
    for saved in (model, holder):
        torch.save(saved.state_dict(), tmp_path / "a.ckpt")
        grid = features(loaded(CIFAR, tmp_path / "a.ckpt")[0], side)[1]
        torch.testing.assert_close(grid, maps[0], atol=1e-5, rtol=1e-5)


def published_dinov2(state, chunked):
    """Return weights of timm under Meta's names, with the position of the class token apart."""
    place = torch.full_like(state["cls_token"], 0.5)
    found = {"mask_token": torch.zeros(1, 24), "register_tokens": state["reg_token"]}
    found["cls_token"] = state["cls_token"] - place
    found["pos_embed"] = torch.cat([place, state["pos_embed"]], dim=1)
    for name, tensor in state.items():
        if name not in ("reg_token", "cls_token", "pos_embed"):
            found[re.sub(r"^blocks\.", "blocks.0.", name) if chunked else name] = tensor
    return found


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("side", [32, 48])
def test_meta_dinov2(tmp_path, chunked, side):
    net = randomize(build_backbone(copy.deepcopy(REGISTERS)))
    state = published_dinov2(net.state_dict(), chunked)
    if chunked:  # a checkpoint of its pre-training
        state = {"teacher": {f"backbone.{k}": v for k, v in state.items()}}
    torch.save(state, tmp_path / "dinov2.pth")
    backbone, report = loaded(REGISTERS, tmp_path / "dinov2.pth")
    close(features(backbone, side), *features(net, side))
    assert report.schemes == ("Meta's DINOv2",)


@pytest.mark.parametrize("side", [32, 48])
def test_meta_dinov2_swiglu(tmp_path, side):
    config = {**DINOV2, "type": "timm.vit_giant_patch14_dinov2", "mlp_ratio": 2}
    net = randomize(build_backbone(copy.deepcopy(config)))
    names = ((".mlp.fc1.", ".mlp.w12."), (".mlp.fc2.", ".mlp.w3."))
    state = net.state_dict()
    for new, old in names:
        state = {k.replace(new, old): v for k, v in state.items()}
    torch.save(state, tmp_path / "dinov2.pth")
    close(features(loaded(config, tmp_path / "dinov2.pth")[0], side), *features(net, side))


@pytest.mark.parametrize("side", [32, 48])
def test_meta_dinov3(tmp_path, side):
    net = randomize(build_backbone(copy.deepcopy(DINOV3)))
    state = {"rope_embed.periods": torch.rand(3)}
    for name, tensor in net.state_dict().items():
        if name.endswith(".v_bias"):
            continue
        if name.endswith(".q_bias"):
            values = net.state_dict()[name.replace(".q_bias", ".v_bias")]
            keys = torch.zeros_like(tensor)
            key = name.replace(".q_bias", ".qkv.bias")
            state[key] = torch.cat([tensor, keys, values])
            state[f"{key}_mask"] = torch.cat([keys + 1, keys, keys + 1])
        else:
            new = re.sub(r"\.gamma_([12])$", r".ls\1.gamma", name)
            state[new.replace("reg_token", "storage_tokens")] = tensor
    torch.save(state, tmp_path / "dinov3.pth")
    backbone, report = loaded(DINOV3, tmp_path / "dinov3.pth")
    close(features(backbone, side), *features(net, side))
    assert report.schemes == ("Meta's DINOv3",)


# What lightly-train 0.18.0 puts before the names of a model: (file, prefix).
LIGHTLY_TRAIN = {
    "exported, any format": "",
    "exported embedding model, torchvision": "wrapped_model._features.",
    "exported embedding model": "wrapped_model._model.",
    "checkpoint": "embedding_model.wrapped_model._model.",
}


def published_convnext(state):
    """Return weights of timm under the names of Meta's ConvNeXt, with DINOv3's second norm."""
    names = (
        (r"^stem\.", "downsample_layers.0."),
        (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
        (r"\.blocks\.", "."),
        (r"\.conv_dw\.", ".dwconv."),
        (r"\.mlp\.fc([12])\.", r".pwconv\1."),
        (r"\.mlp\.grn\.weight$", ".grn.gamma"),
        (r"\.mlp\.grn\.bias$", ".grn.beta"),
        (r"^head\.norm\.", "norm."),
    )
    found = {}
    for name, tensor in state.items():
        for old, new in names:
            name = re.sub(old, new, name)
        found[name] = tensor.flatten(1) if ".pwconv" in name and tensor.ndim == 4 else tensor
        if ".grn." in name:
            found[name] = tensor[None, None, None]
    return {**found, "norms.3.weight": found["norm.weight"], "norms.3.bias": found["norm.bias"]}


@pytest.mark.parametrize("prefix", LIGHTLY_TRAIN.values(), ids=LIGHTLY_TRAIN)
@pytest.mark.parametrize("version", ["", "v2"])
def test_meta_convnext(tmp_path, version, prefix):
    """DINOv3's ConvNeXts have these names, alone and in files of lightly-train."""
    config = {"type": f"timm.convnext{version}_atto", "dims": [8, 16, 24, 32]}
    config["depths"] = [1, 1, 2, 1]
    net = randomize(build_backbone(copy.deepcopy(config)))
    state = {prefix + k: v for k, v in published_convnext(net.net.state_dict()).items()}
    torch.save(state, tmp_path / "a.pth")
    for conv_mlp in (True, False):
        backbone, report = loaded({**config, "conv_mlp": conv_mlp}, tmp_path / "a.pth")
        assert report.schemes == ("Meta's ConvNeXt",)
        for side in (64, 96):
            torch.testing.assert_close(
                features(backbone, side)[1], features(net, side)[1], atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("prefix", LIGHTLY_TRAIN.values(), ids=LIGHTLY_TRAIN)
@pytest.mark.parametrize("config", [RESNET, TIMM, REGISTERS])
def test_lightly_train(tmp_path, config, prefix):
    """Its files have the names of the model's library behind a prefix."""
    net = randomize(build_backbone(copy.deepcopy(config)))
    state = net.state_dict()
    if config is REGISTERS:
        state = published_dinov2(state, chunked=False)
    torch.save({prefix + k: v for k, v in state.items()}, tmp_path / "a.pt")
    backbone, _ = loaded(config, tmp_path / "a.pt")
    for side in (32, 48):
        close(features(backbone, side), *features(net, side))


@pytest.mark.parametrize("prefix", ["wrapped_model._", "embedding_model.wrapped_model._"])
def test_lightly_train_convnext_of_torchvision(tmp_path, prefix):
    """Its files name torchvision's ``features`` as the attribute of its own wrapper."""
    config = {"type": "torchvision.convnext_tiny"}
    net = randomize(build_backbone(copy.deepcopy(config)))
    state = {
        f"{prefix}{name}": tensor
        for name, tensor in net.net.state_dict().items()
        if name.startswith("features.")
    }
    torch.save(state, tmp_path / "a.pt")
    holder = Holder(config)
    report = load_weights(holder, str(tmp_path / "a.pt"))
    # The file lacks the classifier and the norm before it.
    assert all(name.startswith("backbone.classifier.") for name in report.missing)
    assert not report.unexpected
    got = holder.backbone.state_dict()
    for name, tensor in net.state_dict().items():
        assert torch.equal(got[name], tensor) or name.startswith("classifier."), name


def test_a_bias_without_a_place_is_reported(tmp_path):
    net = randomize(build_backbone(copy.deepcopy(DINOV3)))
    torch.save(net.state_dict(), tmp_path / "a.pth")
    config = {**DINOV3, "type": "timm.vit_small_patch16_dinov3"}
    _, report = loaded(config, tmp_path / "a.pth")
    assert [n for n in report.unexpected if n.endswith("q_bias")]


@pytest.mark.parametrize("side", [32, 48])
def test_panderm(tmp_path, side):
    config = {**TIMM, "init_values": 0.1}
    net = randomize(build_backbone(copy.deepcopy(config)))
    state = {}
    for name, tensor in net.state_dict().items():
        if name.endswith(".qkv.bias"):
            tensor[24:48] = 0  # CAE's encoder has no bias of keys
            state[f"encoder.{name.replace('.qkv.bias', '.q_bias')}"] = tensor[:24].clone()
            state[f"encoder.{name.replace('.qkv.bias', '.v_bias')}"] = tensor[48:].clone()
        else:
            state[f"encoder.{re.sub(r'.ls([12]).gamma', r'.gamma_' + chr(92) + '1', name)}"] = (
                tensor
            )
    state["decoder.norm.weight"] = torch.ones(24)
    torch.save({"model": state}, tmp_path / "panderm.pth")
    close(features(loaded(config, tmp_path / "panderm.pth")[0], side), *features(net, side))
    cae = {**OURS, "type": "CAEViT", "init_values": 0.1, "qkv_bias": False}
    holder = Holder(cae)
    report = load_weights(holder, str(tmp_path / "panderm.pth"))
    assert not report.missing
    assert report.backbone_matched == report.backbone_total


@pytest.mark.parametrize("side", [32, 48])
def test_mmselfsup_and_mmpretrain_into_timm(tmp_path, side):
    net = randomize(build_backbone(copy.deepcopy(OURS)))
    state = {f"backbone.{k}": v for k, v in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "epoch_1.pth")
    backbone, report = loaded(TIMM, tmp_path / "epoch_1.pth")
    assert report.schemes == ("MMSelfSup or mmpretrain",)
    if side == 32:
        close(features(backbone), *features(net))
    else:  # timm interpolates in another way than we do; the same weights as timm's own
        own = build_backbone(copy.deepcopy(TIMM)).eval()
        own.load_state_dict(backbone.state_dict())
        close(features(backbone, side), *features(own, side))


def variant(**options):
    return {**OURS, "type": "MIMVisionTransformer", **options}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (variant(qkv_bias=False), variant()),
        (variant(), variant(qkv_bias=False)),
        (variant(init_values=0.1), variant()),
        (variant(init_values=0.1, qkv_bias=False), variant(init_values=0.1)),
    ],
)
def test_variants_under_our_names_give_the_same_features(source, target, tmp_path):
    net = randomize(build_backbone(copy.deepcopy(source)))
    state = {f"backbone.{k}": v for k, v in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "epoch_1.pth")
    backbone, report = loaded(target, tmp_path / "epoch_1.pth")
    assert not report.missing
    assert not report.unexpected
    with torch.no_grad():
        torch.testing.assert_close(backbone(images()), net(images()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("target", [OURS, {**OURS, "layer_cfgs": {"init_values": 1e-5}}])
def test_layer_scale_of_mmpretrain(target, tmp_path):
    net = randomize(build_backbone({**OURS, "layer_cfgs": {"init_values": 0.1}}))
    names = {".gamma_1": ".attn.gamma1.weight", ".gamma_2": ".ffn.gamma2.weight"}
    state = {
        f"backbone.{name[:-8]}{names.get(name[-8:], name[-8:])}": tensor
        for name, tensor in net.state_dict().items()
    }
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "dinov2.pth")
    backbone, report = loaded(target, tmp_path / "dinov2.pth")
    assert not report.unexpected
    close(features(backbone), *features(net))


def test_another_variant_beside_the_backbone_stays(tmp_path):
    """As in a distillation whose teacher is timm's and whose student is ours."""
    model = Holder(OURS)
    model.teacher = build_backbone({**TIMM, "init_values": 0.1})
    randomize(model)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "epoch_1.pth")
    other = Holder(OURS)
    other.teacher = build_backbone({**TIMM, "init_values": 0.1})
    report = load_weights(other, str(tmp_path / "epoch_1.pth"), strict=True)
    assert not report.schemes
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_the_variant_is_that_of_the_backbone(tmp_path):
    """Not that of another network in the model, such as the teacher of a distillation."""
    net = randomize(build_backbone({**TIMM, "init_values": 0.1}))
    torch.save(net.state_dict(), tmp_path / "a.pth")
    for student, teacher in ((TIMM, {**TIMM, "init_values": 0.1}), (OURS, TIMM), (TIMM, OURS)):
        model = Holder(student)
        model.teacher = build_backbone(copy.deepcopy(teacher))
        kept = copy.deepcopy(model.teacher.state_dict())
        report = load_weights(model, str(tmp_path / "a.pth"))
        assert report.complete
        close(features(model.backbone.eval()), *features(net))
        assert all(torch.equal(t, kept[n]) for n, t in model.teacher.state_dict().items())


@pytest.mark.parametrize("target", [OURS, TIMM])
def test_biases_are_those_of_the_backbone(tmp_path, target):
    net = randomize(build_backbone(copy.deepcopy(TIMM)))
    torch.save(net.state_dict(), tmp_path / "a.pth")
    model = Holder(target)
    model.teacher = build_backbone(variant(qkv_bias=False))  # biases of queries and values apart
    assert load_weights(model, str(tmp_path / "a.pth")).complete
    close(features(model.backbone.eval()), *features(net))


OBLONG = {"img_size": (24, 40)}  # 3 x 5 places and a class token are as many as 4 x 4 places


@pytest.mark.parametrize("target", [OURS, TIMM])
@pytest.mark.parametrize("source", [OURS, TIMM, {**TIMM, "no_embed_class": True}])
def test_positions_of_a_square_for_a_grid_with_a_square_number(source, target, tmp_path):
    net = randomize(build_backbone(copy.deepcopy(source)))
    state = net.state_dict()
    torch.save(state, tmp_path / "a.pth")
    backbone, report = loaded({**target, **OBLONG}, tmp_path / "a.pth")
    has = state["pos_embed"].shape[1] == 17
    if not has:  # nobody can tell: it may be a file of the model's own grid, as below
        return
    assert [mismatch.name for mismatch in report.resized] == ["backbone.pos_embed"]
    assert torch.equal(backbone.cls_token, state["cls_token"])
    assert torch.equal(backbone.pos_embed[:, :1], state["pos_embed"][:, :1])


@pytest.mark.parametrize("target", [OURS, TIMM])
@pytest.mark.parametrize("source", [OURS, TIMM])
def test_positions_of_an_own_grid_with_a_square_number(source, target, tmp_path):
    net = randomize(build_backbone({**source, **OBLONG}))
    torch.save(net.state_dict(), tmp_path / "a.pth")
    backbone, report = loaded({**target, **OBLONG}, tmp_path / "a.pth")
    assert not report.resized
    assert torch.equal(backbone.pos_embed, net.pos_embed)
    assert torch.equal(backbone.cls_token, net.cls_token)


@pytest.mark.parametrize("registers", [0, 4])
def test_hugging_face_positions_for_a_grid_with_a_square_number(registers, tmp_path):
    """With registers timm has no position of the class token, ours has one."""
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    model = hf_model(kind, mlp_ratio=2, layer_norm_eps=1e-6)
    model.save_pretrained(tmp_path)
    token, position = model.embeddings.cls_token, model.embeddings.position_embeddings
    own, report = loaded({**OURS, **OBLONG, "num_registers": registers}, tmp_path)
    assert torch.equal(own.cls_token + own.pos_embed[:, :1], token + position[:, :1])
    assert [mismatch.name for mismatch in report.resized] == ["backbone.pos_embed"]
    theirs, _ = loaded({**(REGISTERS if registers else DINOV2), **OBLONG}, tmp_path)
    first = theirs.cls_token + (0 if registers else theirs.pos_embed[:, :1])
    assert torch.equal(first, token + position[:, :1])


@pytest.mark.parametrize("config", [OURS, TIMM, REGISTERS])
def test_positions_of_a_square_for_a_grid_that_is_none(config, tmp_path):
    net = randomize(build_backbone(copy.deepcopy(config)))
    source = net.state_dict()
    wanted = dict(source)
    if config is REGISTERS:  # as Meta publishes them, with a position of the class token
        source["pos_embed"] = torch.cat([torch.zeros(1, 1, 24), source["pos_embed"]], dim=1)
    torch.save(source, tmp_path / "a.pth")
    backbone, report = loaded({**config, "img_size": (24, 48)}, tmp_path / "a.pth")
    assert [mismatch.name for mismatch in report.resized] == ["backbone.pos_embed"]
    extra = int(config is not REGISTERS)
    assert backbone.pos_embed.shape == (1, extra + 3 * 6, 24)
    assert torch.equal(backbone.pos_embed[:, :extra], wanted["pos_embed"][:, :extra])
    assert torch.equal(backbone.cls_token, wanted["cls_token"])


def test_timm_at_another_size_is_as_in_timm(tmp_path):
    net = randomize(timm.create_model("test_vit", num_classes=0, img_size=64))
    torch.save(net.state_dict(), tmp_path / "vit.pth")
    backbone, report = loaded({"type": "timm.test_vit", "img_size": 96}, tmp_path / "vit.pth")
    net.set_input_size(img_size=96)
    with torch.no_grad():
        expected = net.forward_features(images(96))
    torch.testing.assert_close(features(backbone, 96)[0], expected[:, 0], atol=1e-5, rtol=1e-5)
    assert [m.name for m in report.resized] == ["backbone.pos_embed"]


def test_swin_of_mmcls_into_timm(tmp_path):
    own = {k: v for k, v in OWN_SWIN.items() if k != "patch_size"} | {"img_size": 32}
    net = build_backbone(copy.deepcopy(own))
    randomize(net) if net.eval() is not None else net.eval()
    torch.save(net.state_dict(), tmp_path / "swin.pth")
    theirs = {"type": "timm.swin_tiny_patch4_window7_224", "img_size": 32, "window_size": 4}
    theirs |= {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2)}
    backbone, _ = loaded(theirs, tmp_path / "swin.pth")
    close(features(backbone), *features(net))


TWELVE = {"arch": {**OURS["arch"], "num_heads": 12}}


def save_mocov3(net, path):
    torch.save({"state_dict": {
        f"module.{name}.{k}": v for name in ("base_encoder", "momentum_encoder")
        for k, v in net.state_dict().items()
    }}, path)  # fmt: skip


@pytest.mark.parametrize("target", [OURS, TIMM], ids=["ours", "timm"])
def test_mocov3_has_12_heads(tmp_path, target):
    """Also its small one, whose width is that of timm's network of 6 heads."""
    target = copy.deepcopy(target)
    if "arch" in target:
        target["arch"] |= {"embed_dims": 384, "feedforward_channels": 768}
    else:
        target["embed_dim"] = 384
    net = randomize(build_backbone({**TIMM, "embed_dim": 384, "num_heads": 12}))
    save_mocov3(net, tmp_path / "vit-s-300ep.pth")
    with pytest.raises(UserError, match="attention heads 12, the model has 2, which its weights"):
        load_weights(Holder(target), str(tmp_path / "vit-s-300ep.pth"))
    assert load_weights(Holder(target), str(tmp_path / "vit-s-300ep.pth"), partial=True).complete
    target.get("arch", target)["num_heads"] = 12
    close(features(loaded(target, tmp_path / "vit-s-300ep.pth")[0]), *features(net))


def test_a_users_own_mocov3_may_have_other_heads(tmp_path):
    """Such as the large transformer, of 16 heads and a width that 12 doesn't divide."""
    config = {**TIMM, "embed_dim": 32, "num_heads": 16}
    net = randomize(build_backbone(config))
    save_mocov3(net, tmp_path / "vit-l.pth")
    close(features(loaded(config, tmp_path / "vit-l.pth")[0]), *features(net))


@pytest.mark.parametrize(
    ("name", "heads", "activation"),
    [
        ("vit_base_patch16_224", 12, "gelu"),
        ("vit_base_patch16_clip_quickgelu_224", 12, "quickgelu"),
        ("vit_small_patch16_224", 6, "gelu"),
        ("resnet18", None, None),
        ("no_such_model", None, None),
    ],
)
def test_heads_and_activation_of_a_name_of_timm(name, heads, activation):
    assert facts_of_file(f"timm://{name}", {}, {}) == Facts(heads, activation)


def test_a_normalisation_before_the_blocks_is_a_part_of_the_network(tmp_path):
    """CLIP's: without it the same weights compute something else."""
    for source, target in ((True, False), (False, True)):
        net = build_backbone({**TIMM, "pre_norm": source})
        state = net.state_dict()
        torch.save(state, tmp_path / "a.pth")
        with pytest.raises(UserError, match=r"norm_pre\.weight"):
            load_weights(Holder({**TIMM, "pre_norm": target}), str(tmp_path / "a.pth"))
    config = {**TIMM, "pre_norm": True}
    torch.save(build_backbone(config).state_dict(), tmp_path / "a.pth")
    assert loaded(config, tmp_path / "a.pth")[1].complete


def test_timms_normalisation_of_the_output_of_that_name_may_be_new(tmp_path):
    """In networks of stages ``norm_pre`` stands behind the last one."""
    sizes = {"depths": (1, 1, 1, 1), "dims": (8, 8, 8, 8)}
    plain = {"type": "timm.convnext_tiny", **sizes}
    normed = {**plain, "head_norm_first": True}
    for source, target in ((plain, normed), (normed, plain)):
        torch.save(build_backbone(copy.deepcopy(source)).state_dict(), tmp_path / "a.pth")
        report = load_weights(Holder(target), str(tmp_path / "a.pth"))
        assert not report.mismatched


@pytest.mark.parametrize("kind", ["mmdet.ResNet", "a.b.C"])
def test_a_stored_config_of_a_library_that_is_not_there(tmp_path, kind):
    net = build_backbone(copy.deepcopy(OURS))
    config = f"model = dict(type='{kind}', backbone=dict(type='{kind}', arch='small'))"
    state = {f"backbone.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {"config": config}}, tmp_path / "a.pth")
    assert loaded(OURS, tmp_path / "a.pth")[1].complete
    assert pretext_task({"meta": {"config": config}}, state, []) is None
    assert extract_backbone(str(tmp_path / "a.pth"), str(tmp_path / "b.pth"))[1] == len(state)


def test_heads_beside_a_name_of_sizes_count():
    """A user's class may take both."""
    config = "model = dict(backbone=dict(type='VisionTransformer', arch='small', num_heads=2))"
    assert facts_of_file("a.pth", {"meta": {"config": config}}, {}).heads == 2


def test_heads_of_a_stored_config(tmp_path):
    net = randomize(build_backbone({**OURS, **TWELVE}))
    config = f"model = dict(type='MoCoV3', backbone={ {**OURS, **TWELVE} })\n"
    state = {f"backbone.{k}": v for k, v in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {"config": config}}, tmp_path / "epoch_1.pth")
    for target in (OURS, TIMM):
        with pytest.raises(UserError, match="attention heads 12, the model has 2"):
            load_weights(Holder(target), str(tmp_path / "epoch_1.pth"))
    assert loaded({**OURS, **TWELVE}, tmp_path / "epoch_1.pth")[1].complete
    teacher = {"state_dict": {f"teacher.{k[9:]}": v for k, v in state.items()}}
    torch.save({**teacher, "meta": {"config": config}}, tmp_path / "teacher.pth")
    assert loaded(OURS, tmp_path / "teacher.pth")[1].complete  # the config is that of a backbone
    named = "model = dict(backbone=dict(type='VisionTransformer', arch='mocov3-small'))"
    torch.save({"state_dict": state, "meta": {"config": named}}, tmp_path / "epoch_1.pth")
    assert loaded({**OURS, **TWELVE}, tmp_path / "epoch_1.pth")[1].complete
    with pytest.raises(UserError, match="attention heads 12, the model has 2"):
        load_weights(Holder(OURS), str(tmp_path / "epoch_1.pth"))


def test_an_extracted_backbone_tells_its_heads(tmp_path):
    config = f"model = dict(type='MoCoV3', backbone={ {**OURS, **TWELVE} })\n"
    net = randomize(build_backbone({**OURS, **TWELVE}))
    state = {f"backbone.{k}": v for k, v in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {"config": config}}, tmp_path / "epoch_1.pth")
    for style in ("mmselfsup", "timm"):
        extract_backbone(str(tmp_path / "epoch_1.pth"), str(tmp_path / "a.pth"), style=style)
        assert loaded({**OURS, **TWELVE}, tmp_path / "a.pth")[1].complete
        with pytest.raises(UserError, match="attention heads 12, the model has 2"):
            load_weights(Holder(OURS), str(tmp_path / "a.pth"))
    extract_backbone(str(tmp_path / "a.pth"), str(tmp_path / "b.pth"))  # once more
    with pytest.raises(UserError, match="attention heads 12, the model has 2"):
        load_weights(Holder(OURS), str(tmp_path / "b.pth"))


def test_the_backbone_beside_a_checkpoint_tells_its_heads(tmp_path):
    path = tmp_path / "backbone.pth"
    holder = Holder({**OURS, **TWELVE})
    assert export_backbone(holder, str(path))
    weights = torch.load(path, weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in weights.values())
    assert loaded({**OURS, **TWELVE}, path)[1].complete
    with pytest.raises(UserError, match="attention heads 12, the model has 2"):
        load_weights(Holder(TIMM), str(path))
    assert export_backbone(Holder(RESNET), str(path))
    assert facts_of_file(str(path), torch.load(path, weights_only=True), {}) == Facts()


@pytest.mark.parametrize("nested", [False, True])
def test_heads_and_activation_of_a_hugging_face_name(tmp_path, monkeypatch, nested):
    known = {"num_attention_heads": 6, "hidden_act": "quick_gelu"}
    config = {"num_attention_heads": 8, "vision_config": known} if nested else known
    (tmp_path / "config.json").write_text(json.dumps(config))

    def download(repository, file):
        if (repository, file) != ("owner/name", "config.json"):
            raise OSError(file)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    for name in ("owner/name", "owner/name/model.safetensors"):
        assert facts_of_file(f"hf://{name}", {}, {}) == Facts(6, "quickgelu")
    for name in ("owner/other", "owner/name/part/model.safetensors", "name"):
        assert facts_of_file(f"hf://{name}", {}, {}) == Facts()


def test_the_activation_of_a_stored_config():
    config = """model = dict(backbone=dict(type='VisionTransformer', arch='small',
        layer_cfgs=dict(act_cfg=dict(type='ReLU'))))"""
    assert facts_of_file("a.pth", {"meta": {"config": config}}, {}) == Facts(8, "relu")


def test_a_name_of_timm_whose_hub_is_out_of_reach(monkeypatch):
    def build(_):
        raise OSError("no network")

    monkeypatch.setattr("mmselfsup.core.checkpoint.unseen_facts.BACKBONES.build", build)
    assert facts_of_file("timm://hf-hub:owner/name", {}, {}) == Facts()


def test_heads_and_activation_of_a_hugging_face_folder(tmp_path):
    options = {"intermediate_size": 48, "layer_norm_eps": 1e-6}
    hf_model("ViT", **options, num_attention_heads=6).save_pretrained(tmp_path / "heads")
    with pytest.raises(UserError, match="attention heads 6, the model has 2"):
        load_weights(Holder(OURS), str(tmp_path / "heads" / "model.safetensors"))
    hf_model("ViT", **options, hidden_act="quick_gelu").save_pretrained(tmp_path / "act")
    for target in (OURS, TIMM):
        with pytest.raises(UserError, match="activation quickgelu, the model has gelu"):
            load_weights(Holder(target), str(tmp_path / "act"))


@pytest.mark.parametrize("config", [TIMM_SWIN, OWN_SWIN], ids=["timm", "mmcls"])
def test_microsofts_swin(tmp_path, config):
    """The original code merges patches behind a stage, timm before the next one."""
    three = {"depths": (2, 2, 1), "num_heads": (2, 2, 2)}
    arguments = {**TIMM_SWIN, **three, "img_size": 32, "num_classes": 0}
    net = randomize(timm.create_model(arguments.pop("type").removeprefix("timm."), **arguments))
    rename = {f"layers.{i + 1}.downsample.": f"layers.{i}.downsample." for i in range(2)}
    state = {
        re.sub(r"layers\.\d\.downsample\.", lambda m: rename[m[0]], n): t
        for n, t in net.state_dict().items()
    }
    torch.save({"model": {**state, "head.weight": torch.ones(3, 48)}}, tmp_path / "swin.pth")
    config = {**config, "img_size": 32}
    if "arch" in config:
        config |= {"arch": {**config["arch"], **three}, "out_indices": (2,)}
    else:
        config |= three
    backbone, report = loaded(config, tmp_path / "swin.pth")
    assert report.schemes[0] == "Microsoft's Swin"
    with torch.no_grad():
        expected = net.forward_features(images()).permute(0, 3, 1, 2)
    torch.testing.assert_close(features(backbone)[1], expected, atol=1e-5, rtol=1e-5)


# A prefix is found by the names behind it: (scheme, a file with these weights).
RESNET_FILES = {
    "torchvision, timm, DINO, VICReg, Barlow Twins": lambda w: {**w, "fc.weight": torch.ones(2, 2)},
    "MoCo v1, v2": lambda w: {
        "state_dict": {
            **{f"module.encoder_q.{k}": v for k, v in w.items()},
            **{f"module.encoder_k.{k}": v * 0 for k, v in w.items()},
            "module.queue": torch.ones(2, 8),
        }
    },
    "MoCo v3": lambda w: {
        "state_dict": {
            **{f"module.base_encoder.{k}": v for k, v in w.items()},
            **{f"module.momentum_encoder.{k}": v * 0 for k, v in w.items()},
        }
    },
    "SwAV": lambda w: {
        **{f"module.{k}": v for k, v in w.items()},
        "module.projection_head.0.weight": torch.ones(2, 2),
        "module.prototypes.weight": torch.ones(2, 2),
    },
    "Barlow Twins, full": lambda w: {
        "model": {
            **{f"module.backbone.{k}": v for k, v in w.items()},
            "module.projector.0.weight": torch.ones(2, 2),
        }
    },
    "VISSL": lambda w: {
        "classy_state_dict": {
            "base_model": {"model": {"trunk": {f"_feature_blocks.{k}": v for k, v in w.items()}}}
        }
    },
    "solo-learn": lambda w: {"state_dict": {f"backbone.{k}": v for k, v in w.items()}},
    "solo-learn before 1.0.3": lambda w: {"state_dict": {f"encoder.{k}": v for k, v in w.items()}},
    "lightly-train, a wrapped model": lambda w: {
        "state_dict": {f"model.wrapped._model.{k}": v for k, v in w.items()}
    },
    "MMSelfSup 0.x and 1.x, mmpretrain": lambda w: {
        "state_dict": {f"backbone.{k}": v for k, v in w.items()},
        "meta": {},
    },
    "TIMMBackbone of mmcls": lambda w: {
        "state_dict": {f"backbone.timm_model.{k}": v for k, v in w.items()}
    },
}
VIT_FILES = {
    "DINO": lambda w: {
        "student": {f"module.backbone.{k}": v for k, v in w.items()},
        "teacher": {f"backbone.{k}": v * 0 for k, v in w.items()},
    },
    "MAE": lambda w: {"model": {**w, "decoder_pos_embed": torch.ones(1, 17, 8)}},
    "MoCo v3": lambda w: {
        "state_dict": {f"module.base_encoder.{k}": v for k, v in w.items()},
    },
    "lightly's masked ViT": lambda w: {
        "state_dict": {f"backbone.vit.{k}": v for k, v in w.items()}
    },
    "VISSL": lambda w: {
        "classy_state_dict": {"base_model": {"model": {"trunk": dict(w)}}},
    },
}


@pytest.mark.parametrize("scheme", RESNET_FILES)
def test_resnets_behind_a_prefix(tmp_path, scheme):
    net = randomize(build_backbone(copy.deepcopy(RESNET)))
    torch.save(RESNET_FILES[scheme](net.state_dict()), tmp_path / "a.pth")
    backbone, _ = loaded(RESNET, tmp_path / "a.pth")
    for side in (32, 48):
        torch.testing.assert_close(features(backbone, side), features(net, side))


@pytest.mark.parametrize("target", [OURS, TIMM])
@pytest.mark.parametrize("scheme", VIT_FILES)
def test_transformers_behind_a_prefix(tmp_path, scheme, target):
    net = randomize(build_backbone(copy.deepcopy(TIMM)))
    torch.save(VIT_FILES[scheme](net.state_dict()), tmp_path / "a.pth")
    backbone, _ = loaded(target, tmp_path / "a.pth")
    close(features(backbone), *features(net))


def test_a_layer_of_a_resnet_is_no_sequential():
    weights = {
        "encoder.layer4.0.conv1.weight": torch.ones(1),
        "encoder.conv1.weight": torch.ones(1),
    }
    assert library_names(weights, {}) == (weights, [])
