"""The second view from another image of the lesion: which, how often, never a held-out one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmselfsup.apis.train import build_datasets
from mmselfsup.config.check import check_config
from mmselfsup.datasets import MultiViewDataset, RepeatDataset, build_dataloader, build_dataset
from mmselfsup.utils.errors import UserError

#: Images 0..9 are for training; every image is filled with its number times 20.
LESIONS = ["a", "b", "a", "c", "a", "", "b", "", "d", "d", "e", "f"]
PARTNERS = [{2, 4}, {6}, {0, 4}, set(), {0, 2}, set(), {1}, set(), {9}, {8}]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Folder with ``images``, ``train.txt`` (0..9), ``test.txt`` (10, 11) and ``meta.csv``."""
    (tmp_path / "images").mkdir()
    for i in range(12):
        gray = np.full((8, 8, 3), 20 * i, dtype=np.uint8)
        Image.fromarray(gray).save(tmp_path / "images" / f"{i}.png")
    (tmp_path / "train.txt").write_text("".join(f"{i}.png\n" for i in range(10)))
    (tmp_path / "test.txt").write_text("10.png 0\n11.png 1\n")
    write_metadata(tmp_path, LESIONS)
    return tmp_path


def write_metadata(folder: Path, lesions: list[str]) -> None:
    rows = "".join(f"{i},{lesion}\n" for i, lesion in enumerate(lesions))
    (folder / "meta.csv").write_text("image,lesion_id\n" + rows)


def config(files: Path, positives: Any = (), source: Any = (), **options: Any) -> dict[str, Any]:
    """Two views without augmentation; ``positives=None`` for none of the lesion."""
    lesions = dict(metadata=str(files / "meta.csv"), held_out=str(files / "test.txt"))
    images = dict(data_prefix=str(files / "images"), ann_file=str(files / "train.txt"))
    return dict(
        type="MultiViewDataset",
        data_source=dict(type="ImageList", **images, **dict(source)),
        lesion_positives=None if positives is None else {**lesions, **dict(positives)},
    ) | dict(dict(num_views=[2], pipelines=[[dict(type="ToTensor")]]), **options)


def shown(sample: dict[str, Any]) -> list[int]:
    """Which image each view shows: [V]."""
    return [round(view.max().item() * 255 / 20) for view in sample["img"]]


@pytest.mark.parametrize("cache", [False, True])
def test_the_second_view_shows_each_other_image_of_the_lesion(files: Path, cache: bool) -> None:
    source = dict(cache=dict(dir=str(files / "cache"))) if cache else {}
    dataset = build_dataset(config(files, source=source))
    assert dataset.lesion_positives.num_with_partner() == 7
    torch.manual_seed(0)
    for idx, partners in enumerate(PARTNERS):
        pairs = [shown(dataset[idx]) for _ in range(40)]
        assert {first for first, _ in pairs} == {idx}
        assert {second for _, second in pairs} == (partners or {idx})


def test_partners_are_drawn_equally_often_and_with_the_probability(files: Path) -> None:
    positives = build_dataset(config(files, dict(prob=0.6))).lesion_positives
    torch.manual_seed(0)
    image = np.zeros((1, 1, 3), dtype=np.uint8)
    drawn = Counter(int(positives.choose(2, image)[0, 0, 0]) // 20 for _ in range(4000))
    # of 0 both the own image, here black, and the partner 0 are black
    assert drawn[4] / 4000 == pytest.approx(0.3, abs=0.03)
    assert drawn[0] / 4000 == pytest.approx(0.7, abs=0.03)
    never = build_dataset(config(files, dict(prob=0.0)))
    assert all(shown(never[idx]) == [idx, idx] for idx in range(10) for _ in range(5))


def test_only_the_second_of_many_views_is_another_image(files: Path) -> None:
    to_tensor = [dict(type="ToTensor")]
    many = config(files, num_views=[1, 3], pipelines=[to_tensor, to_tensor])
    assert shown(build_dataset(many)[1]) == [1, 6, 1, 1]
    with pytest.raises(ValueError, match="num_views gives one"):
        build_dataset(config(files, num_views=[1]))


def batches(cfg: dict[str, Any], workers: int = 0, epoch: int = 0) -> list[Any]:
    loader = build_dataloader(
        build_dataset(cfg), samples_per_gpu=4, workers_per_gpu=workers, seed=3
    )
    loader.sampler.set_epoch(epoch)
    return list(loader)


def test_off_and_fallback_draw_what_was_drawn_before(files: Path) -> None:
    pipelines = [[dict(type="RandomCrop", size=5), dict(type="ColorJitter", brightness=0.5),
                  dict(type="ToTensor")]]  # fmt: skip
    plain = config(files, pipelines=pipelines)
    del plain["lesion_positives"]
    before, off = batches(plain), batches(config(files, None, pipelines=pipelines))
    on = batches(config(files, pipelines=pipelines))
    for old, same, new in zip(before, off, on, strict=True):
        for view in range(2):
            assert torch.equal(old["img"][view], same["img"][view])
            alone = [not PARTNERS[idx] for idx in old["idx"].tolist()]
            assert torch.equal(old["img"][view][alone], new["img"][view][alone])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fresh_process_chooses_as_an_uninterrupted_one(files: Path, workers: int) -> None:
    loader = build_dataloader(
        build_dataset(config(files)), samples_per_gpu=4, workers_per_gpu=0, seed=3
    )
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        uninterrupted = list(loader)
    for one, other in zip(batches(config(files), workers, 2), uninterrupted, strict=True):
        assert torch.equal(torch.stack(one["img"]), torch.stack(other["img"]))
    first = torch.cat([batch["img"][1] for batch in batches(config(files))])
    last = torch.cat([batch["img"][1] for batch in uninterrupted])
    assert not torch.equal(first, last)


def test_repeated_data_sets(files: Path) -> None:
    repeated = build_dataset(dict(type="RepeatDataset", dataset=config(files), times=2))
    assert isinstance(repeated, RepeatDataset)
    assert shown(repeated[11]) == [1, 6]


@pytest.mark.parametrize(
    ("lesions", "test", "said"),
    [
        ({11: "a"}, "10.png\n11.png\n", r"1 image of .*test.txt shows lesions of .*train.txt .*"
         r"11.png, lesion a\), which only training may see"),
        ({}, "10.png\n5.png\n", r"1 image of .*5.png, lesion not known"),
        ({}, "10\n3\n", r"1 image of .*\(e.g. 3, lesion c"),
    ],
)  # fmt: skip
def test_held_out_images_and_lesions_are_refused(
    files: Path, lesions: dict[int, str], test: str, said: str
) -> None:
    (files / "test.txt").write_text(test)
    write_metadata(files, [lesions.get(i, lesion) for i, lesion in enumerate(LESIONS)])
    with pytest.raises(UserError, match=said):
        build_dataset(config(files))
    assert len(build_dataset(config(files, dict(held_out=None)))) == 10  # nothing to keep apart
    (files / "other.csv").write_text("image,label\n10,MEL\n11,NV\n")
    classes = dict(classes=["MEL", "NV"])
    both = dict(held_out=[str(files / "other.csv"), str(files / "test.txt")])
    with pytest.raises(UserError, match=r"other.csv, .*test.txt show"):
        build_dataset(config(files, both, classes))


def test_a_validation_loss_has_no_lesion_positives_of_training(files: Path) -> None:
    train = config(files)
    images = dict(data_prefix=str(files / "images"), ann_file=str(files / "test.txt"))
    val = dict(type="MultiViewDataset", data_source=dict(type="ImageList", **images))
    workflow = [("train", 1), ("val", 1)]
    cfg = Config(dict(data=dict(train=train, val=val), workflow=workflow))
    first, second = build_datasets(cfg)  # held_out is the list of val
    assert first.lesion_positives is not None
    assert second.lesion_positives is None
    assert shown(second[0]) == [10, 10]


def test_mistakes(files: Path) -> None:
    for wrong, said in (
        (dict(prob=1.5), "prob must be in 0..1, got 1.5"),
        (dict(metadata=str(files / "none.csv")), "none.csv: no such CSV file of metadata"),
        (dict(held_out=str(files / "none.txt")), "none.txt: no such list"),
    ):
        with pytest.raises(ValueError, match=said):
            build_dataset(config(files, wrong))
    write_metadata(files, [f"{i}" for i in range(12)])
    with pytest.raises(UserError, match=r"no lesion of .*meta.csv has two of the 10 images"):
        build_dataset(config(files))
    nameless = build_dataset(config(files, None)).data_source
    nameless.data_infos = [dict(img=i) for i in range(10)]
    lesions = dict(metadata=str(files / "meta.csv"), held_out=None)
    with pytest.raises(ValueError, match="have no file names"):
        MultiViewDataset(nameless, [2], [[]], lesion_positives=lesions)


def test_a_partner_that_cannot_be_read_is_replaced_by_the_image(files: Path) -> None:
    (files / "images/6.png").write_bytes(b"broken")  # the data source skips to 7, which is not of b
    dataset = build_dataset(config(files, source=dict(on_error="skip")))
    assert shown(dataset[1]) == [1, 1]
    stops = build_dataset(config(files))
    with pytest.raises(UserError, match=r"6\.png"):
        stops[1]


def test_an_unknown_key_is_refused(files: Path) -> None:
    check_config(Config(dict(data=dict(train=config(files)))))
    for wrong, said in (
        (config(files, dict(held_uot="x")), r"positives.held_uot'; did you mean 'held_out'"),
        (config(files, source=dict(cache=dict(shortside=3))), r"did you mean 'short_side'"),
    ):
        with pytest.raises(UserError, match=said):
            check_config(Config(dict(data=dict(train=wrong))))
