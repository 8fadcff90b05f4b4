"""What a study says of its data, lists, trainings and disk before its first stage."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmselfsup.isic.color_constancy import Settings
from mmselfsup.study import disk, look, pipeline
from mmselfsup.study.descriptions import Description
from mmselfsup.study.external import External
from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import DEFAULT_DATA, StudyRequest, StudySettings
from mmselfsup.study.step import Step
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.study_data import WORDS

CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
GIB = 1024**3


@pytest.fixture
def data(study: StudySettings) -> StudySettings:
    """32 images of 16 lesions in the challenge's layout, four of each class."""
    root = study.root / study.data_root
    shutil.rmtree(root, ignore_errors=True)
    images = root / "ISIC_2019_Training_Input"
    images.mkdir(parents=True)
    names = [f"ISIC_{n:07d}" for n in range(32)]
    for n, name in enumerate(names):
        (images / f"{name}.jpg").write_bytes(b"%d" % (1000 + n))
    write_table(root, names, [n % 8 for n in range(32)])
    groups = "".join(f"{name},50,,,L_{n // 2}\n" for n, name in enumerate(names))
    header = "image,age_approx,anatom_site_general,sex,lesion_id\n"
    (root / "ISIC_2019_Training_Metadata.csv").write_text(header + groups)
    return dataclasses.replace(study, ssl_options=("data.drop_last=False",))  # 32 fill no batch


def write_table(root: Path, names: Sequence[str], labels: Sequence[int]) -> None:
    rows = ["image," + ",".join([*CLASSES, "UNK"])]
    for name, label in zip(names, labels, strict=True):
        rows.append(name + "," + ",".join("1.0" if k == label else "0.0" for k in range(9)))
    (root / "ISIC_2019_Training_GroundTruth.csv").write_text("\n".join(rows) + "\n")


def look_at(*studies: StudySettings) -> tuple[dict[str, str], list[str]]:
    return look.look_at_request(StudyRequest(studies[0].work_dir, studies, len(studies) > 1))


def image(study: StudySettings, number: int) -> Path:
    return study.data_root / "ISIC_2019_Training_Input" / f"ISIC_{number:07d}.jpg"


def test_the_rows_of_sound_data(data: StudySettings) -> None:
    data = dataclasses.replace(data, data=dataclasses.replace(data.data, num_folds=2))
    rows, doubts = look_at(data)
    assert rows["data"] == "ISIC-2019"
    assert rows["images"].startswith("32 of 32 that isic/ISIC_2019_Training_GroundTruth.csv lists")
    assert rows["classes"] == ", ".join(f"{name} 4" for name in CLASSES)
    assert rows["lesions"] == "16; 0 images without one"
    assert rows["same content"] == "no two images"
    assert rows["pre-trainings"] == "SimCLR (1 epoch)"
    assert rows["fine-tunings"] == ("6 of the learning-rate search and 2 final ones of 1 epoch")
    assert "are free" in rows["disk"]
    assert "--keep all" in rows["kept"]
    assert doubts == []


def test_images_without_groups_are_still_counted(data: StudySettings) -> None:
    (data.root / data.data_root / "ISIC_2019_Training_Metadata.csv").unlink()
    described = dataclasses.replace(data.data, group=("image", "images"), num_folds=2)
    rows, _ = look_at(dataclasses.replace(data, data=described))
    assert rows["images"].startswith("32 of 32 that")
    assert rows["groups"].startswith("not known")


@pytest.mark.parametrize("own_lists", [False, True])
def test_a_table_of_lesions_of_other_images(data: StudySettings, own_lists: bool) -> None:
    root = data.root / data.data_root
    (root / "ISIC_2019_Training_Metadata.csv").write_text("image,lesion_id\nother,HAM_1\n")
    if own_lists:  # without the table of the labels
        (root / "ISIC_2019_Training_GroundTruth.csv").unlink()
        lists = data.root / "lists"
        lists.mkdir()
        data = dataclasses.replace(data, ready_splits=lists)
        for number, part in enumerate(("train", "subtrain", "val", "test")):
            data.split(part).write_text(f"ISIC_{number:07d}.jpg 0\n")
    _, doubts = look_at(data)
    assert [doubt for doubt in doubts if "Metadata.csv has a row of none of the images" in doubt]


def test_the_report_is_told_how_images_were_prepared(
    data: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    image(data, 3).unlink()
    assert look.how_prepared(data) == "31 of 32 listed images were there"
    record = image(data, 0).parent / "color_constancy.json"
    facts = Settings(short_side=256, crop_border=True).record()
    record.write_text(json.dumps(facts))
    assert look.how_prepared(data) == (
        "31 of 32 listed images were there; dark borders cropped, shorter side at most 256 pixels, "
        "colours corrected by Shades of Gray (p = 6)"
    )
    record.write_text(json.dumps(Settings(keep_colors=True).record()))
    assert look.how_prepared(data).endswith("were there; colours as they were")
    record.write_text(json.dumps(Settings(gamma=2.2).record()))
    assert look.how_prepared(data).endswith("Shades of Gray (p = 6, gamma = 2.2)")
    record.write_text("{}")  # of a version that recorded less
    assert look.how_prepared(data).endswith("were there; colours corrected by Shades of Gray")
    record.write_text("[]")
    assert look.how_prepared(data) == "31 of 32 listed images were there"
    assert "color_constancy.json: this record can't be read" in capsys.readouterr().err
    assert look.how_prepared(dataclasses.replace(data, demo=True)) == ""


def test_a_batch_that_the_images_dont_fill(data: StudySettings) -> None:
    for options, said in (
        (("data.drop_last=True", "data.samples_per_gpu=26"), True),  # 4 of 5 folds have 25
        (("data.drop_last=True", "data.samples_per_gpu=25"), False),
        (("data.drop_last=True", "data.train_dataloader.samples_per_gpu=26"), True),
        (("data.drop_last=False", "data.samples_per_gpu=26"), False),
        (("data.drop_last=True", "data.samples_per_gpu=26", "auto_settings=True"), False),
    ):
        _, doubts = look_at(dataclasses.replace(data, ssl_options=options))
        wanted = [
            "SimCLR: about 25 images train in a fold, which can't fill one batch of 26: add "
            "auto_settings=True, or data.samples_per_gpu=12"
        ]
        assert [one for one in doubts if "batch" in one] == (wanted if said else []), options


def test_a_batch_of_all_images(data: StudySettings) -> None:
    for batch, said in ((32, False), (33, True)):  # 32 images, 25 of them in four of five folds
        options = ("data.drop_last=True", f"data.samples_per_gpu={batch}")
        _, doubts = look_at(dataclasses.replace(data, ssl_options=options, ssl_on="all"))
        wanted = [
            "SimCLR: 32 images are there, which can't fill one batch of 33: add "
            "auto_settings=True, or data.samples_per_gpu=16"
        ]
        assert [one for one in doubts if "batch" in one] == (wanted if said else []), batch


def test_missing_unknown_rare_and_repeated_images(data: StudySettings) -> None:
    names = [f"ISIC_{n:07d}" for n in range(32)]
    write_table(data.data_root, names, [n % 8 for n in range(31)] + [8])
    image(data, 3).unlink()
    image(data, 9).write_bytes(image(data, 0).read_bytes())  # NV and MEL, another lesion
    rows, doubts = look_at(data)
    assert rows["images"].startswith("31 of 32")
    assert rows["same content"] == "1 image"
    text = "\n".join(doubts)
    assert "1 listed image is not in" in text
    assert "ISIC_0000003" in text
    assert "1 image has no known class: ISIC_0000031.jpg" in text
    assert "8 classes have fewer independent images than the 5 folds: MEL, NV, BCC ..." in text
    pair = "ISIC_0000000.jpg and ISIC_0000009.jpg"
    assert f"1 image is there twice with two labels: {pair}" in text
    assert f"1 image has the content of another lesion's: {pair}; SPLITS=--group-dup" in text


def test_lists_that_share_images_lesions_or_content(data: StudySettings) -> None:
    lists = data.root / "lists"
    lists.mkdir()
    parts = {"train": range(20), "subtrain": range(16), "val": range(16, 20), "test": range(20, 32)}
    data = dataclasses.replace(data, ready_splits=lists, fold=1)

    def write(**changes: Sequence[int]) -> list[str]:
        for part, numbers in {**parts, **changes}.items():
            lines = (f"ISIC_{n:07d}.jpg {n % 8}\n" for n in numbers)
            (lists / f"ISIC_2019_{part}_fold1.txt").write_text("".join(lines))
        row, doubts = look.look_at_lists(data)
        assert row.startswith("train 20, subtrain 16, val ")
        return doubts

    assert write() == []
    (common,) = write(test=[4, *range(20, 32)])
    assert "lists train and test have 1 image in common: ISIC_0000004.jpg" in common
    (common,) = write(val=[15, 16, 17])
    assert "lists subtrain and val have 1 image in common: ISIC_0000015.jpg" in common
    (lesions,) = write(subtrain=[*range(15), 16], val=[17, 18, 19])
    assert "lists subtrain and val have 1 lesion in common: L_8" in lesions
    (chosen,) = write(val=[16, 17, 25])  # own lists: validation images need not be training ones
    assert "lists val and test have 1 image in common: ISIC_0000025.jpg" in chosen
    image(data, 30).write_bytes(image(data, 2).read_bytes())
    (same,) = write()
    assert "1 image of the list test has the content of one of train" in same
    assert look_at(data)[0]["lists of fold 1"] == "train 20, subtrain 16, val 4, test 12"


def test_disk_counts_all_trainings_and_what_is_kept(
    data: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "training_bytes", lambda cfg: GIB)
    usage = shutil.disk_usage(data.root)._replace(free=10 * GIB)
    monkeypatch.setattr(look.shutil, "disk_usage", lambda path: usage)
    # one pre-training and two final ones; six of the search, which go at the end
    rows, doubts = look_at(data)
    text = "about 3.0 GiB of checkpoints, and 6.0 GiB for a while; 10.0 GiB are free"
    assert rows["disk"] == text
    rows, doubts = look_at(data, dataclasses.replace(data, fold=1))
    assert rows["disk"].startswith("about 6.0 GiB of checkpoints, and 6.0 GiB for a while")
    assert "the disk has less room" in doubts[-1]
    every = dataclasses.replace(data, keep="all")
    rows, doubts = look_at(every, dataclasses.replace(every, fold=1))
    assert rows["disk"].startswith("about 18.0 GiB of checkpoints; ")
    assert "in each of 2 studies" in rows["fine-tunings"]


def write_training(study: StudySettings, folder: Path, size: int, done: bool) -> None:
    """Write a folder as a training leaves it: a sparse checkpoint, a link to it, a record."""
    place = study.root / folder
    step = Step("x", place, {})
    step.begin()
    if size:
        with (place / "epoch_1.pth").open("wb") as file:
            file.truncate(size)
        (place / "latest.pth").symlink_to("epoch_1.pth")
    if done:
        step.finish(1.0)


def test_disk_does_not_count_what_is_there(
    data: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "training_bytes", lambda cfg: GIB)

    def use(study: StudySettings) -> tuple[float, str]:
        needed, words = disk.disk_use(ResolvedStudy(study, Path("isic")), [study])
        return needed / GIB, words

    write_training(data, data.ssl_dir("simclr"), GIB // 4, done=True)  # smaller than estimated
    write_training(data, data.run_dir("scratch", "lr_0.01"), GIB // 2, done=False)
    before = "about 3.0 GiB of checkpoints (1.0 GiB of them are there), and 5.5 GiB for a while"
    assert use(data) == (7.5, before)
    for arm in ("scratch", "simclr"):
        shutil.rmtree(data.run_dir(arm, "lr_0.01"), ignore_errors=True)
        for lr in (0.01, 0.1, 0.9):  # removed at the end of the study
            write_training(data, data.run_dir(arm, f"lr_{lr:g}"), 0, done=True)
        write_training(data, data.run_dir(arm, "final"), GIB, done=True)
    assert use(data) == (0, "about 3.0 GiB of checkpoints (3.0 GiB of them are there)")
    # The temperature needs one classifier of the search for each arm again.
    external = (External("clinic", "clinic=x", Description("clinic"), Path()),)
    more = dataclasses.replace(data, external=external)
    assert use(more) == (2, "about 5.0 GiB of checkpoints (3.0 GiB of them are there)")


@pytest.mark.parametrize(
    ("lrs", "keep", "words"),
    [
        ((0.1,), "best", "about 5.0 GiB of checkpoints"),
        ((0.1, 0.2, 0.3), "best", "about 5.0 GiB of checkpoints, and 4.0 GiB for a while"),
        ((0.1, 0.2, 0.3), "all", "about 9.0 GiB of checkpoints"),
    ],
)
def test_disk_counts_the_classifiers_of_the_temperature(
    study: StudySettings,
    lrs: tuple[float, ...],
    keep: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk, "training_bytes", lambda cfg: GIB)
    external = (External("clinic", "clinic=x", Description("clinic"), Path()),)
    given = dataclasses.replace(study, external=external, lrs=lrs, keep=keep)
    assert disk.disk_use(ResolvedStudy(given, Path("isic")), [given])[1] == words


@pytest.mark.parametrize(
    ("lrs", "keep", "words"),
    [
        # one pre-training and two final ones; two arms, two parts of the labels, three draws
        ((0.1,), "best", "about 15.0 GiB of checkpoints"),
        ((0.1, 0.2), "best", "about 15.0 GiB of checkpoints, and 12.0 GiB for a while"),
        ((0.1, 0.2), "all", "about 27.0 GiB of checkpoints"),
    ],
)
def test_disk_counts_few_labels(
    study: StudySettings,
    lrs: tuple[float, ...],
    keep: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk, "training_bytes", lambda cfg: GIB)
    given = dataclasses.replace(study, labels=(1.0, 10.0), draws=3, lrs=lrs, keep=keep)
    assert disk.disk_use(ResolvedStudy(given, Path("isic")), [given])[1] == words


def test_lists_are_compared_by_sets(data: StudySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image has one content: each pair is looked up, and none walks through a list."""
    for number in range(32):
        image(data, number).write_bytes(b"same")
    (data.root / "lists").mkdir()
    parts = {"train": range(20), "subtrain": range(16), "val": range(16, 20), "test": range(20, 32)}
    for part, numbers in parts.items():
        lines = (f"ISIC_{n:07d}.jpg {n % 8}\n" for n in numbers)
        (data.root / "lists" / f"ISIC_2019_{part}_fold0.txt").write_text("".join(lines))
    compared, equal = [], look.Picture.__eq__

    def count(self: look.Picture, other: object) -> bool:
        compared.append(self)
        return equal(self, other)

    monkeypatch.setattr(look.Picture, "__eq__", count)
    _, doubts = look.look_at_lists(dataclasses.replace(data, ready_splits=data.root / "lists"))
    assert "12 images of the list test have the content of one of train" in doubts[0]
    assert len(compared) <= 32


def test_no_image_at_all_ends_the_study(data: StudySettings) -> None:
    write_table(data.data_root, ["other"], [0])
    with pytest.raises(UserError, match="none of its 1 images is in"):
        look_at(data)


@pytest.mark.usefixtures("no_drawing")
def test_the_table_comes_before_the_first_stage(
    data: StudySettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(study: StudySettings) -> None:
        raise UserError("the first stage")

    monkeypatch.setattr(pipeline, "run_study", stop)
    with pytest.raises(UserError, match="the first stage"):
        pipeline.run_sweep(StudyRequest(data.work_dir, (data,), several=False))
    printed = capsys.readouterr()
    assert printed.out.startswith("What the study reads and writes:\n")
    assert "MEL 4" in printed.out
    assert "warning: isic/ISIC_2019_Training_GroundTruth.csv: 8 classes" in printed.err


@pytest.mark.usefixtures("no_drawing")
def test_a_refused_study_leaves_the_words_of_the_running_one(
    data: StudySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def refuse(folder: Path) -> Iterator[None]:
        raise UserError("another study is running")
        yield

    monkeypatch.setattr(pipeline, "only_study", refuse)
    shown = dataclasses.replace(data, data=DEFAULT_DATA)
    monkeypatch.setattr(pipeline, "check", lambda study: None)
    monkeypatch.setattr(pipeline, "show_look", lambda request: None)
    monkeypatch.setattr(pipeline, "how_prepared", lambda study: "all were there")
    with pytest.raises(UserError, match="another study is running"):
        pipeline.run_sweep(StudyRequest(data.work_dir, (shown,), several=False))
    assert not (data.work_dir / WORDS).exists()
