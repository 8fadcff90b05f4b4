"""Exported files compute what the model does; what they say of themselves; what is refused.

The exporter compares by itself. Here each file is read once more, by its library alone, and a file
of other weights must be noticed.
"""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mmselfsup.apis.exporter import export_model, prepared_images
from mmselfsup.apis.inference.image_input import config_of
from mmselfsup.config.text import config_text
from mmselfsup.core.checkpoint import load_state, save_checkpoint
from mmselfsup.export import FORMATS, preprocessing_of
from mmselfsup.export.description import check_preparation
from mmselfsup.export.timm_folder import _crop_fraction_of, crop_fraction
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import WORDS

TINY_RESNET = dict(type="ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=[4])
RESNET = dict(type="ResNet", depth=18, out_indices=[4])
ARCH = dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=48)
VIT = dict(type="VisionTransformer", arch=ARCH, img_size=32, patch_size=8)
BEIT = dict(
    type="MIMVisionTransformer", arch=ARCH, img_size=32, patch_size=8, final_norm=False,
    init_values=0.1, use_window=True,
)  # fmt: skip
SWIN = dict(
    type="mmcls.SwinTransformer", arch=dict(embed_dims=12, depths=[2, 2, 1], num_heads=[2, 2, 4]),
    img_size=64, window_size=4, out_indices=(2,),
)  # fmt: skip
CLASSES = ["MEL", "NV", "BCC"]
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]


def pipeline(side: int) -> list[dict[str, Any]]:
    return [
        dict(type="Resize", size=side + side // 8),
        dict(type="CenterCrop", size=side),
        dict(type="ToTensor"),
        dict(type="Normalize", mean=MEAN, std=STD),
    ]


def classifier(backbone: dict[str, Any], width: int, **head: Any) -> dict[str, Any]:
    cls_head = dict(type="ClsHead", in_channels=width, num_classes=3, **head)
    return dict(type="Classification", backbone=backbone, head=cls_head)


MODELS: dict[str, dict[str, Any]] = {
    "resnet": classifier(TINY_RESNET, 64, with_avg_pool=True),
    "resnet18": classifier(RESNET, 512, with_avg_pool=True),
    "vit": classifier(VIT, 24, vit_backbone=True),
    "beit": classifier(BEIT, 24),
    "swin": classifier(SWIN, 48, with_avg_pool=True),
    "simclr": dict(
        type="SimCLR", backbone=TINY_RESNET, head=dict(type="ContrastiveHead"),
        neck=dict(type="LinearNeck", in_channels=64, out_channels=8),
    ),
    "simclr18": dict(
        type="SimCLR", backbone=RESNET, head=dict(type="ContrastiveHead"),
        neck=dict(type="LinearNeck", in_channels=512, out_channels=8),
    ),
    "mae": dict(
        type="MAE", backbone=dict(VIT, type="MAEViT"),
        neck=dict(type="MAEPretrainDecoder", num_patches=16, patch_size=8, embed_dim=24,
                  decoder_embed_dim=16, decoder_depth=1, decoder_num_heads=2),
        head=dict(type="MAEPretrainHead", patch_size=8),
    ),
    # Its blocks see no class token.
    "ijepa": dict(
        type="IJEPA", backbone=dict(VIT, type="IJEPAViT"),
        neck=dict(type="IJEPAPredictor", num_patches=16, embed_dim=24, predictor_embed_dim=16,
                  depth=1, num_heads=2),
        head=dict(type="IJEPAHead"), masks=dict(min_context=2),
    ),
}  # fmt: skip
# What each network can be written as.
PAIRS = [
    ("resnet", "onnx"), ("swin", "onnx"), ("mae", "onnx"),
    ("simclr", "torchscript"), ("beit", "torchscript"), ("swin", "torchscript"),
    ("vit", "torch-export"), ("mae", "torch-export"),
    ("resnet", "safetensors"), ("mae", "safetensors"),
    ("resnet18", "timm"), ("vit", "timm"), ("beit", "timm"), ("swin", "timm"), ("mae", "timm"),
    ("resnet18", "torchvision"), ("simclr18", "torchvision"),
    ("ijepa", "timm"), ("ijepa", "hf"),
    ("resnet", "hf"), ("simclr", "hf"), ("vit", "hf"), ("mae", "hf"), ("swin", "hf"),
]  # fmt: skip


def needed(to: str, model: str) -> None:
    """Skip a test whose packages are not installed."""
    packages = FORMATS[to].needs
    if to == "hf":
        packages = ("timm",) if model in ("swin", "ijepa") else ("transformers",)
    for package in (*packages, *(("safetensors",) if to == "hf" else ())):
        pytest.importorskip(package)


def write_checkpoint(
    folder: Path,
    name: str,
    steps: list[dict[str, Any]] | None = None,
    order: str = "rgb",
    **meta: Any,
) -> str:
    """Write a checkpoint all of whose weights and statistics are random."""
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(MODELS[name]))
    for key, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if key.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif tensor.is_floating_point() and tensor.ndim < 2:
            nn.init.uniform_(tensor, 0.2, 0.8)
    nn.init.normal_(getattr(model.head, "fc_cls", nn.Linear(1, 1)).weight)
    source = dict(type="ImageList", data_prefix="data/isic2019/images", ann_file="a/b/train.txt")
    source |= {} if order == "rgb" else dict(channel_order=order)
    data = dict(
        type="SingleViewDataset",
        data_source=source,
        pipeline=steps or pipeline(64 if name == "swin" else 32),
    )
    values = {"model": MODELS[name], "data": dict(train=data, test=data)}
    facts = {"config": config_text(values), "CLASSES": CLASSES, "epoch": 3, "seed": 7, **meta}
    save_checkpoint(model, str(folder / "w.pth"), meta=facts)
    return str(folder / "w.pth")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of three pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for n in range(3):
        rng = np.random.default_rng(n)
        small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        small.resize((60, 48), Image.Resampling.BICUBIC).save(folder / f"{n}.png")
    return str(folder)


def reference(checkpoint: str, pictures: str) -> tuple[Tensor, Tensor]:
    """Return the images, normalised by hand, and the outputs of the model's own methods."""
    state = load_state(checkpoint)
    cfg = config_of(checkpoint, state)
    model: Any = build_algorithm(copy.deepcopy(cfg.model))
    model.load_state_dict(state["state_dict"])
    model.eval()
    images = prepared_images(cfg, pictures)
    with torch.no_grad():
        if hasattr(model, "class_scores"):
            return images, model(images, mode="test").popitem()[1]
        last = model(images, mode="extract")[-1]
    return images, last[1] if isinstance(last, list) else last.mean(dim=(2, 3))


@pytest.mark.parametrize(("model", "to"), PAIRS)
def test_the_file_computes_the_same(model: str, to: str, tmp_path: Path, pictures: str) -> None:
    needed(to, model)
    checkpoint = write_checkpoint(tmp_path, model)
    done = export_model(checkpoint, to, images=pictures)
    images, wanted = reference(checkpoint, pictures)
    run = read_again(done.path, to, model)
    for part in (slice(0, 3), slice(1, 2)):  # any number of images
        found = run(images[part])
        torch.testing.assert_close(found.detach(), wanted[part], rtol=1e-4, atol=1e-4)
    assert wanted.std(dim=0).max() > 1e-3  # the images differ
    sizes = 1 if model in ("vit", "mae", "beit", "swin", "ijepa") else 2
    assert len(done.checked.sizes) == sizes
    card = (done.path.parent / "README.md").read_text()
    assert "| SHA-256" not in card
    assert "ISIC-2019: CC BY-NC 4.0" in card
    assert ("MEL, NV, BCC" in card) == (done.description.task == "classification")


def read_again(path: Path, to: str, model: str) -> Any:
    """Return the network of a file, read by the format's library alone."""
    folder = str(path.parent)
    if to == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path))
        return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    if to == "torchscript":
        return torch.jit.load(str(path))
    if to == "torch-export":
        return torch.export.load(str(path)).module()
    if to == "timm" or (to == "hf" and model in ("swin", "ijepa")):
        import timm

        return timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    if to == "hf":
        from transformers import AutoModel, AutoModelForImageClassification

        if model in ("simclr", "mae"):
            loaded = AutoModel.from_pretrained(folder).eval()
            if model == "mae":
                return lambda images: loaded(images).last_hidden_state[:, 0]
            return lambda images: loaded(images).last_hidden_state.mean(dim=(2, 3))
        loaded = AutoModelForImageClassification.from_pretrained(folder).eval()
        return lambda images: loaded(images).logits
    if to == "torchvision":
        import torchvision

        file = torch.load(path, weights_only=True)
        network = torchvision.models.resnet18(weights=None, num_classes=3)
        if model == "simclr18":
            network.fc = nn.Identity()
        network.load_state_dict(file["state_dict"])
        return network.eval()
    from safetensors.torch import load_file

    network = build_algorithm(copy.deepcopy(MODELS[model]))
    left = network.load_state_dict(load_file(path), strict=False)
    assert not left.unexpected_keys
    network.eval()
    if model == "mae":
        return lambda images: network(images, mode="extract")[-1][1]
    return lambda images: network(images, mode="test").popitem()[1]


def test_the_description_is_inside(tmp_path: Path, pictures: str) -> None:
    needed("onnx", "vit")
    import onnx

    checkpoint = write_checkpoint(tmp_path, "vit", exp_name="a.py", mmselfsup_version="1.0.0")
    (tmp_path / "scores.json").write_text(
        json.dumps({"checkpoint": checkpoint, "metrics": {"accuracy": 0.5, "recall/NV": 1.0}})
    )
    (tmp_path / "other.json").write_text(
        json.dumps({"checkpoint": "another.pth", "metrics": {"accuracy": 0.9}})
    )
    done = export_model(checkpoint, "onnx", images=pictures)
    props = {p.key: p.value for p in onnx.load(done.path).metadata_props}
    assert json.loads(props["mean"]) == MEAN
    assert json.loads(props["std"]) == STD
    assert json.loads(props["classes"]) == CLASSES
    folder = json.loads((done.path.parent / "config.json").read_text())
    assert folder["size"] == [32, 32]
    assert folder["resize"] == 36
    assert folder["input"]["shape"] == ["batch", 3, 32, 32]
    assert folder["check"]["passed"]
    assert folder["check"]["sizes"] == [[32, 32]]
    assert folder["metrics"] == {"scores.json": {"accuracy": 0.5}}
    card = (done.path.parent / "README.md").read_text()
    for fact in ("Config: a.py", "Epochs trained: 3", "Seed: 7", "| accuracy | 0.5000 |"):
        assert fact in card
    assert "0.9" not in card
    assert str(tmp_path) not in card


def test_the_card_states_the_licence_of_the_studys_data(tmp_path: Path, pictures: str) -> None:
    """Its description is in the work dir of the study, some folders above the checkpoint."""
    folder = tmp_path / "study" / "finetune" / "lr0.1"
    folder.mkdir(parents=True)
    checkpoint = write_checkpoint(folder, "resnet")

    options = {"data.train.data_source.ann_file": "x/study/data/splits/C_train_fold0.txt"}

    def stated(**given: str) -> str:
        done = export_model(checkpoint, "torchscript", images=pictures, options=options, **given)
        card = (done.path.parent / "README.md").read_text()
        return card.split("- Training images: ")[-1].splitlines()[0]

    words = tmp_path / "study" / WORDS
    words.write_text(json.dumps({"name": "Clinic", "licence": "CC BY 4.0"}))
    assert stated() == "Clinic: CC BY 4.0."
    words.write_text(json.dumps({"name": "Clinic"}))
    assert stated() == "unknown, ask their owner before you pass these weights on."
    words.write_text("{")
    assert stated(licence="ours") == "ours."


def test_torchs_files_hold_the_description(tmp_path: Path, pictures: str) -> None:
    checkpoint = write_checkpoint(tmp_path, "resnet")
    more = {"config.json": ""}
    torch.jit.load(str(export_model(checkpoint, "torchscript", images=pictures).path), None, more)
    assert json.loads(more["config.json"])["classes"] == CLASSES


def test_transformers_and_timm_know_classes_and_normalisation(
    tmp_path: Path, pictures: str
) -> None:
    needed("hf", "vit")
    from transformers import AutoConfig, AutoImageProcessor

    checkpoint = write_checkpoint(tmp_path, "vit")
    folder = export_model(checkpoint, "hf", images=pictures).path.parent
    assert list(AutoConfig.from_pretrained(folder).id2label.values()) == CLASSES
    processor = AutoImageProcessor.from_pretrained(folder)
    grey = Image.new("RGB", (50, 40), (128, 128, 128))
    pixels = processor(grey, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 32, 32)
    wanted = (128 / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(pixels[0, :, 5, 5], wanted, rtol=0, atol=1e-4)
    needed("timm", "vit")
    import timm

    folder = export_model(checkpoint, "timm", images=pictures).path.parent
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert network.pretrained_cfg["label_names"] == CLASSES
    assert list(timm.data.resolve_model_data_config(network)["mean"]) == MEAN


BICUBIC = dict(type="Resize", size=48, interpolation=3)
SQUARE = dict(type="Resize", size=(40, 40))


@pytest.mark.parametrize("resize", [BICUBIC, SQUARE])
@pytest.mark.parametrize("to", ["timm", "hf"])
def test_other_libraries_prepare_images_as_the_config_does(
    to: str, resize: dict[str, Any], tmp_path: Path, pictures: str
) -> None:
    needed(to, "vit")
    checkpoint = write_checkpoint(tmp_path, "vit", [resize, *pipeline(32)[1:]])
    folder = export_model(checkpoint, to, images=pictures).path.parent
    image = Image.open(Path(pictures, "0.png"))
    if to == "timm":
        import timm

        network = timm.create_model(f"local-dir:{folder}", pretrained=True)
        config = timm.data.resolve_model_data_config(network)
        pixels = timm.data.create_transform(**config)(image)
    else:
        from transformers import AutoImageProcessor

        processor = AutoImageProcessor.from_pretrained(folder, use_fast=False)
        pixels = processor(image, return_tensors="pt")["pixel_values"][0]
    wanted = prepared_images(config_of(checkpoint, load_state(checkpoint)), pictures)[0]
    # At most one of 255 levels apart, where a library rounds otherwise.
    torch.testing.assert_close(pixels, wanted, rtol=0, atol=0.021)


@pytest.mark.parametrize(("resize", "crop"), [((40, 48), 32), (48, (32, 24)), ((40, 48), (32, 24))])
def test_timm_has_one_ratio_for_both_sides(
    resize: int | tuple[int, int], crop: int | tuple[int, int], tmp_path: Path, pictures: str
) -> None:
    needed("timm", "resnet18")
    steps = [dict(type="Resize", size=resize), dict(type="CenterCrop", size=crop)]
    checkpoint = write_checkpoint(tmp_path, "resnet18", [*steps, *pipeline(32)[2:]])
    with pytest.raises(UserError, match="timm has one ratio for both sides"):
        export_model(checkpoint, "timm", images=pictures)


def test_timm_resizes_sides_that_differ(tmp_path: Path, pictures: str) -> None:
    needed("timm", "resnet18")
    import timm

    steps = [dict(type="Resize", size=(59, 118)), dict(type="CenterCrop", size=(48, 96))]
    checkpoint = write_checkpoint(tmp_path, "resnet18", [*steps, *pipeline(32)[2:]])
    folder = export_model(checkpoint, "timm", images=pictures).path.parent
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    pixels = transform(Image.open(Path(pictures, "0.png")))
    wanted = prepared_images(config_of(checkpoint, load_state(checkpoint)), pictures)[0]
    torch.testing.assert_close(pixels, wanted, rtol=0, atol=0.021)


@pytest.mark.parametrize(("size", "wanted"), [([48], 48), ((40, 48), [40, 48]), (48, 48)])
def test_a_single_side_is_the_shorter_one(size: Any, wanted: Any) -> None:
    steps = [dict(type="Resize", size=size), *pipeline(32)[1:]]
    assert preprocessing_of(steps, (32, 32), None).resize == wanted


@pytest.mark.parametrize(
    ("mean", "std", "channels", "wanted"),
    [
        (0.4, 0.2, 3, ([0.4] * 3, [0.2] * 3)),
        ([0.4], [0.2], 3, ([0.4] * 3, [0.2] * 3)),
        ([0.4, 0.5, 0.6], [0.2], 3, ([0.4, 0.5, 0.6], [0.2] * 3)),
        (0.4, 0.2, 1, ([0.4], [0.2])),
    ],
)
def test_one_number_is_that_of_every_channel(
    mean: Any, std: Any, channels: int, wanted: Any
) -> None:
    steps = [dict(type="Normalize", mean=mean, std=std)]
    prepared = preprocessing_of(steps, (32, 32), None, channels=channels)
    assert (prepared.mean, prepared.std) == wanted


def test_timm_resizes_to_the_same_side() -> None:
    for side, resize in ((48, 59), (64, 72), (64, 93), (224, 256), (224, 224)):
        assert math.floor(side / crop_fraction(side, resize)) == resize


def test_libraries_that_read_rgb_do_not_get_another_order(tmp_path: Path, pictures: str) -> None:
    needed("timm", "vit")
    checkpoint = write_checkpoint(tmp_path, "vit", order="bgr")
    with pytest.raises(UserError, match="reads images as BGR, and timm gives the network RGB"):
        export_model(checkpoint, "timm", images=pictures)
    assert not (tmp_path / "w_timm").exists()
    folder = export_model(checkpoint, "safetensors", images=pictures).path.parent
    described = json.loads((folder / FORMATS["safetensors"].described).read_text())
    assert described["channel_order"] == "bgr"
    assert "- Input: BGR" in (folder / "README.md").read_text()


def test_a_wrong_file_is_noticed_and_stays(
    tmp_path: Path, pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = FORMATS["torchscript"]
    load = kind.load
    monkeypatch.setattr(
        kind, "load", lambda self, *args: lambda images: 1.001 * load(self, *args)(images)
    )
    checkpoint = write_checkpoint(tmp_path, "resnet")
    with pytest.raises(UserError, match=r"differs from the model by .*the file stays"):
        export_model(checkpoint, "torchscript", images=pictures)
    folder = tmp_path / "w_torchscript"
    assert (folder / "model.torchscript.pt").is_file()
    assert not json.loads((folder / "config.json").read_text())["check"]["passed"]
    assert "FAILED" in (folder / "README.md").read_text()


def test_a_file_alone_and_the_backbone_alone(tmp_path: Path, pictures: str) -> None:
    checkpoint = write_checkpoint(tmp_path, "resnet")
    out = tmp_path / "new" / "a.pt"
    done = export_model(checkpoint, "torchscript", str(out), images=pictures, features=True)
    assert done.path == out
    assert [path.name for path in out.parent.iterdir()] == ["a.pt"]
    assert done.description.task == "features"
    assert torch.jit.load(str(out))(torch.zeros(1, 3, 32, 32)).shape == (1, 64)


def test_without_images_photographs_are_taken(tmp_path: Path) -> None:
    done = export_model(write_checkpoint(tmp_path, "resnet"), "torchscript")
    assert done.checked.images == 2


@pytest.mark.parametrize(
    ("model", "to", "message"),
    [
        ("resnet", "timm", "timm has no such ResNet"),
        ("vit", "torchvision", "is no ResNet with a plain stem"),
        ("resnet", "tflite", "choose one of onnx, torchscript"),
    ],
)
def test_networks_that_a_library_does_not_have(
    model: str, to: str, message: str, tmp_path: Path, pictures: str
) -> None:
    if to == "timm":
        needed(to, model)
    with pytest.raises(UserError, match=message):
        export_model(write_checkpoint(tmp_path, model), to, images=pictures)


def test_a_missing_package_is_named(
    tmp_path: Path, pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FORMATS["onnx"], "needs", ("no_such_package",))
    with pytest.raises(UserError, match="--to onnx needs no_such_package: pip install"):
        export_model(write_checkpoint(tmp_path, "resnet"), "onnx", images=pictures)


def test_weights_alone_with_the_config_of_their_training(tmp_path: Path, pictures: str) -> None:
    checkpoint = write_checkpoint(tmp_path, "simclr")
    state = load_state(checkpoint)
    weights = {n[9:]: t for n, t in state["state_dict"].items() if n.startswith("backbone.")}
    torch.save(weights, tmp_path / "backbone.pth")
    with pytest.raises(UserError, match="holds no config"):
        export_model(str(tmp_path / "backbone.pth"), "torchscript", images=pictures)
    cfg = config_of(checkpoint, state)
    done = export_model(str(tmp_path / "backbone.pth"), "torchscript", config=cfg, images=pictures)
    images, wanted = reference(checkpoint, pictures)
    torch.testing.assert_close(torch.jit.load(str(done.path))(images), wanted, rtol=0, atol=1e-4)
    assert done.description.task == "features"


def test_libraries_that_prepare_images_otherwise_get_no_network() -> None:
    """timm and transformers resize, crop and normalise, in this order."""
    resize, crop, *end = pipeline(32)
    for steps in ([crop, resize, *end], [resize, crop, dict(type="Grayscale"), *end]):
        prepared = preprocessing_of(steps, (32, 32), None)
        with pytest.raises(UserError, match=r"prepares images by .*, and hf by Resize, CenterCrop"):
            check_preparation(prepared, "hf")
    check_preparation(preprocessing_of([resize, *end], (32, 32), None), "hf")
    with pytest.raises(UserError, match="without resizing, and timm always resizes"):
        _crop_fraction_of(preprocessing_of([crop, *end], (32, 32), None))
    assert _crop_fraction_of(preprocessing_of(end, (32, 32), None)) == 1.0
