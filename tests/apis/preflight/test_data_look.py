"""What is looked at before a run: classes, a batch, the failing transform."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config
from PIL import Image

from mmselfsup.apis.preflight.compared_data import (
    check_channels,
    report_normalizations,
    report_overlap,
    report_unseen_classes,
)
from mmselfsup.apis.preflight.data_look import (
    count_classes,
    look_at,
    look_at_pixels,
    report_classes,
    report_dark_images,
    report_several_frames,
)
from mmselfsup.apis.preflight.overview import data_rows
from mmselfsup.datasets import DATASOURCES, build_dataset
from mmselfsup.datasets.data_sources import ImageList
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.utils.errors import UserError

TO_TENSOR = dict(type="ToTensor")
CROP = dict(type="CenterCrop", size=8)
LOGGER = logging.getLogger("mmselfsup")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for i, shape in enumerate([(10, 12), (10, 14), (12, 10), (9, 9)]):
        Image.fromarray(rng.integers(0, 256, (*shape, 3)).astype(np.uint8)).save(
            tmp_path / f"{i}.png"
        )
        lines.append(f"{i}.png {i % 2}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path


def look(images: Path, *pipeline: Any, names: Any = None, batch: int = 2, **options: Any) -> Any:
    source = dict(type="ImageList", data_prefix=str(images), ann_file=str(images / "list.txt"))
    source.update(classes=names) if names else None
    dataset = dict(type="SingleViewDataset", data_source=source, pipeline=list(pipeline))
    cfg = Config(dict(data=dict(samples_per_gpu=batch, workers_per_gpu=0, val=dataset), **options))
    return look_at(build_eval_loader(build_dataset(dataset), cfg, "val", False), "data.val", cfg,
                   LOGGER)  # fmt: skip


def test_what_is_found(images: Path) -> None:
    found = look(images, CROP, TO_TENSOR, names=["cat", "dog"])
    assert (found.images, found.classes) == (4, {"cat": 2, "dog": 2})
    assert found.files == "9x9 to 14x10 PNG RGB (4 looked at)"
    assert found.sample.startswith("3x8x8 float32, 0.0")
    rows = data_rows([found])
    assert rows["data.val"] == "4 images; classes: cat 2, dog 2"
    assert rows["a sample"] == found.sample


def test_each_image_is_read_once(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    inside = ImageList.decode

    def decode(self: Any, idx: int) -> Any:
        read.append(self.path(idx))
        return inside(self, idx)

    monkeypatch.setattr(ImageList, "decode", decode)
    # Replaced on the class: the file names are still known.
    found = look(images, CROP, TO_TENSOR)
    assert len(read) == len(set(read)) == 4
    source = found.looked_up[0]
    assert "get_pixels" not in vars(source)
    source.get_pixels(0)
    assert len(read) == 5


class Holes(ImageList):
    """A data source of the user that gives nothing for one image."""

    hole = 3

    def get_img(self, idx: int) -> Any:
        return None if idx == self.hole else super().get_img(idx)


def test_an_own_source_that_gives_nothing_is_told(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is none of those of the batch that is tried."""
    monkeypatch.setitem(DATASOURCES.module_dict, "ImageList", Holes)
    message = r"data\.val: Holes\.get_img gives NoneType for image 2 \(.*2\.png\): return a PIL"
    for place, error in ((2, message), (9, "")):
        monkeypatch.setattr(Holes, "hole", place)
        if not error:
            look(images, CROP, TO_TENSOR)
            continue
        with pytest.raises(UserError, match=error):
            look(images, CROP, TO_TENSOR)


def test_images_on_no_list_are_told(images: Path) -> None:
    assert "not listed" not in data_rows([look(images, CROP, TO_TENSOR)])
    (images / "1_downsampled.png").write_bytes(b"")
    row = data_rows([look(images, CROP, TO_TENSOR)])["not listed"]
    assert row.startswith("1 of 5 images in the folders are on no list of data.val, such as ")
    assert row.endswith("1_downsampled.png, which is listed under a shorter name")
    unchecked = look(images, CROP, TO_TENSOR, check_files=False)
    assert "not listed" not in data_rows([unchecked])


@pytest.mark.parametrize(
    ("pipeline", "options", "message"),
    [
        ([TO_TENSOR], {}, "the images of a batch have different sizes"),
        ([CROP], {}, "the pipeline gives PIL images, .*: end the pipeline with ToTensor"),
        (
            [dict(type="Lambda", lambd=len), TO_TENSOR],
            {},
            r"the transform Lambda fails on .*0\.png",
        ),
        (
            [CROP, TO_TENSOR, dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 3)],
            dict(prefetch=True, img_norm_cfg=dict(mean=[0.5] * 3, std=[0.2] * 3)),
            "its pipeline has Normalize, and prefetch=True normalises",
        ),
    ],
)
def test_what_is_refused(
    images: Path, pipeline: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=rf"data\.val: {message}"):
        look(images, *pipeline, **options)


def test_one_image_a_batch_may_have_any_size(images: Path) -> None:
    assert look(images, TO_TENSOR, batch=1).sample.startswith("3x10x12 float32")


def test_missing_files_unless_not_checked(images: Path) -> None:
    (images / "3.png").unlink()
    with pytest.raises(UserError, match=r"data\.val: 1 of 4 images"):
        look(images, CROP, TO_TENSOR)
    with pytest.raises(UserError, match=r"3\.png .*No such file"):  # one of those looked at
        look(images, CROP, TO_TENSOR, check_files=False, batch=4)


def test_empty_and_single_classes(caplog: pytest.LogCaptureFixture) -> None:
    class Data:
        CLASSES = ("a", "b", "c")
        gt_labels = np.array([0, 0, 1])

    classes = count_classes(Data())
    assert classes == {"a": 2, "b": 1, "c": 0}
    report_classes(classes, "data.val", LOGGER)
    assert "data.val: no image of 1 class: c" in caplog.text
    report_classes({"a": 3}, "data.train", LOGGER)
    assert "all 3 images are of one class (a)" in caplog.text
    Data.gt_labels = np.array([1, -1])
    assert count_classes(Data()) == {"a": 0, "b": 1, "c": 0, "no label": 1}


def test_overlap_is_reported(images: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = dict(type="ImageList", data_prefix=str(images))
    data = build_dataset(dict(type="SingleViewDataset", data_source=source, pipeline=[]))
    report_overlap({"data.train": data, "data.val": data})
    assert "4 images in common" in caplog.text


def test_classes_that_only_the_validation_has_are_told(caplog: pytest.LogCaptureFixture) -> None:
    class Data:
        def __init__(self, *labels: int) -> None:
            self.gt_labels, self.CLASSES = np.array(labels), ["ant", "bee", "cat"]

    report_unseen_classes({"data.train": Data(0, 1), "data.val": Data(0, 2, 2)}, LOGGER)
    told = "data.val: 1 class without an image in data.train, whose images are never recognised: "
    assert told + "cat" in caplog.text
    caplog.clear()
    report_unseen_classes({"data.train": Data(0, 1, 2), "data.val": Data(0, -1)}, LOGGER)
    assert not caplog.text  # -1 is no label, and no name counted from the end


def one_of(images: Path, *pipeline: dict[str, Any], **source: Any) -> Any:
    source = dict(type="ImageList", data_prefix=str(images), **source)
    return build_dataset(
        dict(type="SingleViewDataset", data_source=source, pipeline=[TO_TENSOR, *pipeline])
    )


def test_channels_of_the_evaluation(images: Path) -> None:
    datasets = {"data.train": one_of(images, color_type="grayscale"), "data.val": one_of(images)}
    with pytest.raises(UserError, match=r"data\.val: an image has 3 channels .* data\.train has 1"):
        check_channels(datasets)
    check_channels({"data.train": one_of(images), "data.val": one_of(images)})


IMAGENET = dict(type="Normalize", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
SWAPPED = dict(type="Normalize", mean=[0.406, 0.456, 0.485], std=[0.225, 0.224, 0.229])
HALF = dict(type="Normalize", mean=[0.5], std=[0.25])


@pytest.mark.parametrize(
    ("train", "val", "order", "line"),
    [
        (
            [HALF],
            [IMAGENET],
            "rgb",
            "data.train: mean=[0.5], std=[0.25], and data.val: mean=[0.485",
        ),
        ([HALF], [], "rgb", "and data.val: no Normalize; the network gets other values"),
        ([SWAPPED], [SWAPPED], "rgb", "ImageNet's statistics for blue, green, red"),
        ([SWAPPED], [SWAPPED], "bgr", ""),
        ([IMAGENET], [IMAGENET], "rgb", ""),
        ([], [], "rgb", ""),
    ],
)
def test_normalizations_that_do_not_fit(
    images: Path, caplog: pytest.LogCaptureFixture, train: list, val: list, order: str, line: str
) -> None:
    datasets = {
        "data.train": one_of(images, *train, channel_order=order),
        "data.val": one_of(images, *val, channel_order=order),
    }
    report_normalizations(datasets, LOGGER)
    assert line in caplog.text if line else not caplog.text


def test_dark_images_and_files_of_several(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = np.linspace(0, 16383, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.tif")
    pages = [Image.fromarray(np.full((8, 8), n, np.uint8)) for n in (9, 20)]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    dataset = one_of(tmp_path)
    report_dark_images(look_at_pixels(dataset), "data.val", LOGGER)
    report_several_frames([dataset.data_source], "data.val", LOGGER)
    assert "the brightest value of 2 images looked at is 63 of 255" in caplog.text
    assert "of which 14 are in use, set value_range=[0, 16383]" in caplog.text
    assert "1 of 2 files looked at hold several images" in caplog.text
    assert "b.tif (2)" in caplog.text
    caplog.clear()
    dataset = one_of(tmp_path, value_range=[0, 16383])
    report_dark_images(look_at_pixels(dataset), "data.val", LOGGER)
    assert caplog.text == ""
