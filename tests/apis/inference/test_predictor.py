"""Predictions for folders, files, lists and images in memory."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.inference.embedder import Embedder
from mmselfsup.apis.inference.image_input import given_images
from mmselfsup.apis.inference.prediction_pictures import _check_head, _file_name, write_heat_maps
from mmselfsup.apis.inference.predictor import Predictor
from mmselfsup.config.text import config_text
from mmselfsup.core.checkpoint import save_checkpoint
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError

BACKBONE = dict(type="ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=[4])
PIPELINE = [
    dict(type="Resize", size=[32, 32]),
    dict(type="ToTensor"),
    dict(type="Normalize", mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2]),
]
CLASSES = ["MEL", "NV", "BCC"]


def config(**head: Any) -> dict[str, Any]:
    cls_head = dict(type="ClsHead", with_avg_pool=True, in_channels=64, num_classes=3)
    source = dict(type="ImageList", data_prefix="nowhere", ann_file="nowhere.txt")
    test = dict(type="SingleViewDataset", data_source=source, pipeline=PIPELINE)
    model = dict(type="Classification", backbone=BACKBONE, head={**cls_head, **head})
    return {"model": model, "data": dict(samples_per_gpu=4, test=test)}


def write_checkpoint(path: Path, values: dict[str, Any], **meta: Any) -> str:
    torch.manual_seed(0)
    model = build_algorithm(values["model"])
    torch.nn.init.normal_(model.head.fc_cls.weight)  # other than 0: images differ
    facts = {"config": config_text(values), "CLASSES": CLASSES, **meta}
    save_checkpoint(model, str(path), meta=facts)
    return str(path)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_checkpoint(tmp_path_factory.mktemp("run") / "latest.pth", config())


def draw(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def reference(checkpoint: str, path: Path) -> Any:
    """Return the probabilities of one image by hand, without loader and pipeline."""
    values = config()
    model = build_algorithm(values["model"])
    model.load_state_dict(torch.load(checkpoint, weights_only=False)["state_dict"])
    small = Image.open(path).resize((32, 32), Image.Resampling.BILINEAR)
    img = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(PIPELINE[2][key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        return model.eval().classify((img - mean) / std)[-1].softmax(dim=1).numpy()[0]


def test_the_checkpoint_alone_is_enough(checkpoint: str, tmp_path: Path) -> None:
    files = [draw(tmp_path / "a" / f"{n}.png", n) for n in range(5)]
    found = Predictor(checkpoint, batch_size=2)(tmp_path)
    assert found.images == [str(file) for file in files]
    assert found.classes == CLASSES
    for file, row in zip(files, found.probabilities, strict=True):
        # Our resizing differs from Pillow's by a grey level at most.
        np.testing.assert_allclose(row, reference(checkpoint, file), atol=5e-3)
    best = found.probabilities.argmax(axis=1)
    assert found.predicted == [CLASSES[n] for n in best]
    assert sum(found.counts().values()) == 5


def test_all_ways_to_name_images_give_the_same(checkpoint: str, tmp_path: Path) -> None:
    files = [str(draw(tmp_path / f"{n}.png", n)) for n in range(3)]
    (tmp_path / "list.txt").write_text("0.png 1\n1.png\n2.png 0\n")
    (tmp_path / "list.csv").write_text("image,label\n0,1\n1,0\n2,0\n")
    predictor = Predictor(checkpoint)
    wanted = predictor(files).probabilities
    in_memory = [Image.open(files[0]), np.array(Image.open(files[1])), Path(files[2])]
    for images in (tmp_path, f"{tmp_path}/*.png", tmp_path / "list.txt", tmp_path / "list.csv"):
        np.testing.assert_array_equal(predictor(images).probabilities, wanted)
    found = predictor(in_memory)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.probabilities, wanted)
    assert found.images == ["image 0", "image 1", files[2]]
    np.testing.assert_allclose(predictor(files[1]).probabilities, wanted[1:2], atol=1e-6)


def test_files_are_read_as_in_training(checkpoint: str, tmp_path: Path) -> None:
    """An EXIF orientation, palette, grey, 16 bits: as a file and as a PIL image."""
    turned = Image.open(draw(tmp_path / "a.png", 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned.save(tmp_path / "turned.png", exif=exif)
    turned.convert("P").save(tmp_path / "palette.png")
    turned.convert("L").save(tmp_path / "grey.png")
    deep = np.random.default_rng(1).integers(0, 65536, (40, 50), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    turned.convert("CMYK").save(tmp_path / "cmyk.jpg")
    turned.convert("RGBA").save(tmp_path / "alpha.png")
    predictor = Predictor(checkpoint)
    names = sorted(path.name for path in tmp_path.iterdir())
    from_files = predictor(tmp_path).probabilities
    opened = predictor([Image.open(tmp_path / name) for name in names]).probabilities
    np.testing.assert_allclose(opened, from_files, atol=2e-3)  # CMYK: one decoder or the other
    upright = predictor(turned.transpose(Image.Transpose.ROTATE_270)).probabilities[0]
    np.testing.assert_allclose(from_files[names.index("turned.png")], upright, atol=1e-6)


def test_a_broken_image_does_not_stop_the_others(checkpoint: str, tmp_path: Path) -> None:
    for n in (0, 2):
        draw(tmp_path / f"{n}.png", n)
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    for workers in (0, 1):
        found = Predictor(checkpoint, workers=workers)(tmp_path)
        assert list(found.errors) == [1]
        assert "1.png: the file is damaged" in found.errors[1]
        assert np.isnan(found.probabilities[1]).all()
        assert np.isfinite(found.probabilities[[0, 2]]).all()
        assert found.predicted[1] == ""
    rows = list(csv.DictReader(found.csv().splitlines()))
    assert list(rows[0]) == ["image", "predicted", "probability", *CLASSES, "error"]
    assert rows[0]["error"] == ""
    assert rows[1]["MEL"] == ""
    assert "damaged" in rows[1]["error"]
    with pytest.raises(UserError, match="none of the 1 images can be read"):
        Predictor(checkpoint)(tmp_path / "1.png")


def test_the_table(checkpoint: str, tmp_path: Path) -> None:
    draw(tmp_path / "a, b.png", 0)
    found = Predictor(checkpoint)(tmp_path / "a, b.png")
    found.write(str(tmp_path / "out.csv"))
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert row["image"].endswith("a, b.png")
    numbers = [float(row[name]) for name in CLASSES]
    assert sum(numbers) == pytest.approx(1, abs=1e-5)
    assert float(row["probability"]) == max(numbers) == float(row[row["predicted"]])
    assert "error" not in row


def test_temperature(checkpoint: str, tmp_path: Path) -> None:
    file = draw(tmp_path / "a.png", 0)
    plain = Predictor(checkpoint)(file).probabilities[0]
    warm = Predictor(checkpoint, temperature=4.0)(file).probabilities[0]
    powers = plain ** (1 / 4)
    np.testing.assert_allclose(warm, powers / powers.sum(), atol=1e-9)
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="give a number above 0"):
            Predictor(checkpoint, temperature=bad)


def test_augmentation_averages_the_views(checkpoint: str, tmp_path: Path) -> None:
    file = draw(tmp_path / "a.png", 0)
    image = Image.open(file)
    plain = Predictor(checkpoint)
    both = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    mean = plain(both).probabilities.mean(axis=0)
    flipped = Predictor(checkpoint, augment="flip")(file).probabilities[0]
    np.testing.assert_allclose(flipped, mean, atol=5e-3)
    with pytest.raises(UserError, match="choose one of none, flip"):
        Predictor(checkpoint, augment="turn")


def test_options_reach_the_config(checkpoint: str, tmp_path: Path) -> None:
    file = draw(tmp_path / "a.png", 0)
    pipeline = [dict(type="Resize", size=[16, 16]), *PIPELINE[1:]]
    other = Predictor(checkpoint, options={"data.test.pipeline": pipeline})
    assert not np.allclose(other(file).probabilities, Predictor(checkpoint)(file).probabilities)
    by_file = tmp_path / "c.py"
    by_file.write_text(Config(config()).pretty_text)
    same = Predictor(checkpoint, config=str(by_file))(file)
    np.testing.assert_array_equal(same.probabilities, Predictor(checkpoint)(file).probabilities)


def test_metadata_of_patients(tmp_path: Path) -> None:
    values = config(type="MetadataClsHead")
    checkpoint = write_checkpoint(tmp_path / "w.pth", values)
    draw(tmp_path / "a.png", 0)
    header = "image,age_approx,anatom_site_general,sex\n"
    (tmp_path / "old.csv").write_text(f"{header}a,80,head/neck,male\n")
    (tmp_path / "young.csv").write_text(f"{header}a,20,head/neck,male\n")
    predictor = Predictor(checkpoint)
    old, young = (
        predictor(tmp_path / "a.png", str(tmp_path / f"{name}.csv")).probabilities
        for name in ("old", "young")
    )
    assert not np.allclose(old, young)
    with pytest.raises(UserError, match="give a CSV with --patients"):
        predictor(tmp_path / "a.png")


def test_heat_maps(checkpoint: str, tmp_path: Path) -> None:
    draw(tmp_path / "in" / "a b.png", 0)
    draw(tmp_path / "in" / "c.png", 1)
    (tmp_path / "in" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    predictor = Predictor(checkpoint)
    found = predictor(tmp_path / "in")
    number = write_heat_maps(predictor, found, tmp_path / "in", str(tmp_path / "out"))
    pictures = sorted((tmp_path / "out").iterdir())
    assert number == len(pictures) == 2
    assert pictures[0].name == f"000000_a_b_{found.predicted[0]}.webp"
    with Image.open(pictures[0]) as picture:
        assert picture.size == (2 * 176, 176)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("nowhere", "no such image, folder of images"),
        ("nowhere/*.jpg", "pattern that fits"),
        ([], "no images are given"),
        (np.zeros((4, 4, 2), np.uint8), "is no image"),
    ],
)
def test_images_that_are_none(checkpoint: str, images: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Predictor(checkpoint)(images)


def test_checkpoints_that_predict_nothing(tmp_path: Path) -> None:
    neck = dict(type="LinearNeck", in_channels=64, out_channels=8)
    head = dict(type="ContrastiveHead")
    simclr = {**config(), "model": dict(type="SimCLR", backbone=BACKBONE, neck=neck, head=head)}
    model = build_algorithm(simclr["model"])
    save_checkpoint(model, str(tmp_path / "w.pth"), meta={"config": config_text(simclr)})
    with pytest.raises(UserError, match="predicts no classes: fine-tune it first"):
        Predictor(str(tmp_path / "w.pth"))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "bare.pth")
    with pytest.raises(UserError, match="holds no config"):
        Predictor(str(tmp_path / "bare.pth"))


def test_a_table_with_other_columns_and_its_folder_of_images(tmp_path: Path) -> None:
    for name in ("pictures/1.png", "pictures/2.png"):
        draw(tmp_path / name, 0)
    table = tmp_path / "lists" / "my.csv"
    table.parent.mkdir()
    table.write_text("File name;Finding\n2.png;a\n1;b\n")
    with pytest.raises(UserError, match="name it by image_column"):
        given_images(str(table))
    with pytest.raises(UserError, match=r"'Filename' is none .*did you mean File name"):
        given_images(str(table), "Filename")
    with pytest.raises(UserError, match="nowhere: no such folder of images"):
        given_images(str(table), "File name", str(tmp_path / "nowhere"))
    table.write_text("File name;Finding\n2;a\n1;b\n")
    pictures = str(tmp_path / "pictures")
    for images in (str(table), [str(table)]):
        found = given_images(images, "File name", pictures)
        assert found == [f"{pictures}/2.png", f"{pictures}/1.png"]


def test_a_list_of_folders_keeps_its_order(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/2.png", "a/1.png"):
        draw(tmp_path / name, 0)
    found = given_images([tmp_path / "b", str(tmp_path / "a")])
    assert [Path(str(name)).relative_to(tmp_path).as_posix() for name in found] == [
        "b/1.png", "a/1.png", "a/2.png",
    ]  # fmt: skip


def test_a_network_for_grey_images(tmp_path: Path) -> None:
    values = config()
    values["model"]["backbone"] = {**BACKBONE, "in_channels": 1}
    values["data"]["test"]["data_source"]["color_type"] = "grayscale"
    values["data"]["test"]["pipeline"] = [
        *PIPELINE[:2], dict(type="Normalize", mean=[0.5], std=[0.2]),
    ]  # fmt: skip
    checkpoint = write_checkpoint(tmp_path / "w.pth", values)
    draw(tmp_path / "in" / "a.png", 0)
    predictor = Predictor(checkpoint)
    found = predictor(tmp_path / "in")
    write_heat_maps(predictor, found, tmp_path / "in", str(tmp_path / "out"))
    with Image.open(next((tmp_path / "out").iterdir())) as picture:
        left = np.asarray(picture.convert("RGB"))[:, :160].astype(
            int
        )  # without the block at the seam
    assert np.abs(left - left.mean(axis=2, keepdims=True)).max() <= 2
    in_colour = {"data.test.data_source.color_type": "color"}
    with pytest.raises(UserError, match=r"takes images of 1 channel\(s\), these have 3"):
        Predictor(checkpoint, options=in_colour)(tmp_path / "in")


@pytest.mark.parametrize(("bits", "most"), [(13, 8191), (14, 16383)])
def test_files_of_16_bits_of_which_fewer_are_in_use(
    bits: int, most: int, checkpoint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.linspace(0, most, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")  # it hides nothing of the others
    for tool in (Predictor(checkpoint), Embedder(checkpoint)):
        caplog.clear()
        tool(str(tmp_path))
        assert caplog.text.count(f"of which {bits} are in use, set value_range=[0, {most}]") == 1
    source = {"data.test.data_source.value_range": [0, most]}
    caplog.clear()
    Predictor(checkpoint, options=source)(str(tmp_path))
    assert "in use" not in caplog.text


def test_names_of_pictures_fit_the_file_system() -> None:
    name = _file_name(1, "/a/" + "\u56fe" * 80 + ".jpg", "|".join(["\u9ed1\u8272"] * 30))
    assert name.startswith("000001_\u56fe")
    assert name.endswith(".webp")
    assert len(name.encode()) <= 255


def test_heat_maps_are_those_of_the_last_head(tmp_path: Path) -> None:
    """Of another head the evidence lies in another stage."""
    predictor: Any = SimpleNamespace(model=lambda **_: {"head0": 0, "head4": 0}, head="head4")
    _check_head(predictor, torch.zeros(1, 3, 8, 8))
    predictor.head = "head0"
    with pytest.raises(UserError, match=r"for head4, .* those of head0: choose --head head4"):
        _check_head(predictor, torch.zeros(1, 3, 8, 8))
