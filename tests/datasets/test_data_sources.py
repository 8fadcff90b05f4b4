"""Data sources: images and labels belong together, and what is wrong is said at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets import DATASOURCES, build_datasource
from mmselfsup.datasets.data_sources import BaseDataSource, ImageList
from mmselfsup.utils.errors import UserError


def test_image_list(image_folder: Path, image_list: Path) -> None:
    source = build_datasource(
        dict(type="ImageList", data_prefix=str(image_folder), ann_file=str(image_list))
    )
    assert len(source) == 12
    assert source.CLASSES is None
    assert source.has_labels
    np.testing.assert_array_equal(source.get_gt_labels(), np.arange(12) % 3)
    assert source.get_gt_labels().dtype == np.int64
    assert source.get_cat_ids(4) == 1
    assert len(pickle.loads(pickle.dumps(source))) == 12  # workers may be spawned
    info = source.data_infos[3]
    assert info["img_prefix"] == str(image_folder)
    assert info["img_info"] == dict(filename="3.jpg")
    image = source.get_img(3)
    assert isinstance(image, Image.Image)
    expected = np.asarray(Image.open(image_folder / "3.jpg").convert("RGB")).astype(int)
    assert np.abs(np.asarray(image) - expected).max() <= 2


def test_folder_without_list(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "0.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    source = ImageList(str(tmp_path))
    assert [info["img_info"]["filename"] for info in source.data_infos] == [
        "0.png", "a/1.png", "b/2.png",
    ]  # fmt: skip
    assert not source.has_labels
    np.testing.assert_array_equal(source.get_gt_labels(), [-1, -1, -1])


def test_several_labels(image_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "multi.txt"
    path.write_text("0.jpg 1 0 1\n1.jpg 0 -1 1\n")
    source = ImageList(str(image_folder), ann_file=str(path))
    np.testing.assert_array_equal(source.get_gt_labels(), [[1, 0, 1], [0, -1, 1]])
    path.write_text("0.jpg 1 0 1\n1.jpg 1\n")
    with pytest.raises(UserError, match="same number of labels"):
        ImageList(str(image_folder), ann_file=str(path)).get_gt_labels()


def test_csv_without_extensions(image_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("image,MEL,NV\n3,0.0,1.0\n5,1.0,0.0\n")
    source = ImageList(str(image_folder), ann_file=str(path))
    assert source.CLASSES == ["MEL", "NV"]
    assert source.class_to_idx == dict(MEL=0, NV=1)
    assert [info["img_info"]["filename"] for info in source.data_infos] == ["3.jpg", "5.jpg"]
    Image.new("RGB", (4, 4)).save(image_folder / "3.png")
    with pytest.raises(UserError, match="line 2: '3' is more than one image"):
        ImageList(str(image_folder), ann_file=str(path))


def test_classes(image_folder: Path, image_list: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("MEL\nNV\nBCC\n")
    arguments = dict(data_prefix=str(image_folder), ann_file=str(image_list))
    assert ImageList(classes=str(names), **arguments).CLASSES == ["MEL", "NV", "BCC"]
    with pytest.raises(UserError, match=r"list\.txt, line 3: label 2 of '2\.jpg'"):
        ImageList(classes=["MEL", "NV"], **arguments)


def test_what_is_missing_is_named(image_folder: Path, image_list: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no such folder of images"):
        ImageList(str(tmp_path / "nowhere"), ann_file=str(image_list))
    with pytest.raises(UserError, match="no such list"):
        ImageList(str(image_folder), ann_file=str(tmp_path / "nowhere.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in this folder"):
        ImageList(str(tmp_path / "empty"))
    (image_folder / "2.jpg").unlink()
    source = ImageList(str(image_folder), ann_file=str(image_list))
    with pytest.raises(UserError, match=r"2\.jpg \(line 3 of .*list\.txt\): No such file"):
        source.get_img(2)


@pytest.mark.parametrize(
    "wrong", [dict(color_type="colour"), dict(channel_order="rbg"), dict(on_error="ignore")]
)
def test_wrong_arguments(image_folder: Path, wrong: dict) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        ImageList(str(image_folder), **wrong)


def test_own_data_source_in_the_style_of_0x(image_folder: Path) -> None:
    @DATASOURCES.register_module(force=True)
    class Own(BaseDataSource):
        CLASSES = ("even", "odd")

        def load_annotations(self):
            return [
                dict(
                    img_prefix=self.data_prefix,
                    img_info=dict(filename=f"{i}.jpg"),
                    gt_label=np.array(i % 2, dtype=np.int64),
                )
                for i in range(3)
            ]

    source = build_datasource(dict(type="Own", data_prefix=str(image_folder)))
    assert source.CLASSES == ["even", "odd"]
    np.testing.assert_array_equal(source.get_gt_labels(), [0, 1, 0])
    assert source.load(1)[1] == 1

    class Yields(Own):
        def load_annotations(self):
            yield from super().load_annotations()

    class Forgets(Own):
        def load_annotations(self):
            super().load_annotations()

    np.testing.assert_array_equal(Yields(str(image_folder)).get_gt_labels(), [0, 1, 0])
    with pytest.raises(UserError, match="load_annotations gives NoneType: return a list"):
        Forgets(str(image_folder))


def test_folders_may_be_paths(image_folder: Path, image_list: Path) -> None:
    expected = ImageList(str(image_folder), ann_file=str(image_list))
    for given in (image_folder, [image_folder], (str(image_folder),)):
        source = ImageList(given, ann_file=str(image_list))
        assert source.data_prefix == str(image_folder)
        assert source.get_img(0).size == expected.get_img(0).size
