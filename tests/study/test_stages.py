"""What a stage's result depends on: whatever its command reads changes, it runs again.

Each test changes one input of a finished study, and expects exactly the stages behind it to run.
"""

import dataclasses
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from mmselfsup.isic.challenge import GROUND_TRUTH, METADATA
from mmselfsup.study import fingerprint, pipeline
from mmselfsup.study import process as machine
from mmselfsup.study.configs import quoted
from mmselfsup.study.data import PARTS
from mmselfsup.study.find_configs import find_ssl_config
from mmselfsup.study.process import Command
from mmselfsup.study.records import read_results
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages import stage as stage_module
from mmselfsup.study.stages.stage import Stage
from tests.study.fake_tools import calls, make_fake_repository

CONFIGS = Path(__file__).parents[2] / "configs"
CLASSIFIER = "resnet18_1xb128-coslr-30e_metadata_isic2019-64.py"  # it takes patients' metadata
ARMS = ("scratch", "simclr")


def on(arm: str) -> set[str]:
    """Return the stages of an arm after its pre-training."""
    return searches(arm) | final(arm)


def searches(arm: str) -> set[str]:
    return {f"train work/finetune/{arm}/lr_{lr}" for lr in ("0.01", "0.1")}


def final(arm: str) -> set[str]:
    return {f"train work/finetune/{arm}/final"} | measured(arm)


def measured(arm: str) -> set[str]:
    return {f"test work/finetune/{arm}/test", f"explain work/finetune/{arm}/explain"}


SSL, COMPARISON, SPLITS = (
    {"train work/ssl/simclr"},
    {"look work/looks/simclr"},
    {"splits work/data/splits"},
)
CLASSIFIERS = on("scratch") | on("simclr")
AFTER_SSL = SSL | COMPARISON | on("simclr")
EVERYTHING = AFTER_SSL | on("scratch")


def run_here(
    commands: Sequence[Command],
    jobs: int,
    warm: bool,
    threads: int,
    on_end: Callable[[int, int | None, float], None],
    on_poll: Callable[[], None] = lambda: None,
) -> None:
    """Run the tools one after the other in this process, where a fork would take longer."""
    for number, command in enumerate(commands):
        before = sys.argv
        sys.argv = list(command.argv)
        try:
            with suppress(SystemExit):
                runpy.run_path(command.argv[0], run_name="__main__")
        finally:
            sys.argv = before
        on_end(number, 0, 0.0)


@pytest.fixture(autouse=True)
def instantly(monkeypatch: pytest.MonkeyPatch, no_drawing: None) -> None:
    """Let the tools run in this process."""
    replace_slow_parts(monkeypatch)


def replace_slow_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "run_all", run_here)
    here = machine.Machine(cores=2, gpus=0, warm=False)
    monkeypatch.setattr(pipeline, "inspect_machine", lambda: here)
    monkeypatch.setattr(pipeline, "_close", lambda *_: None)


def make_study(ready: bool = True) -> StudySettings:
    """Write configs and data into the current folder, and return a study of them."""
    root = Path()
    make_fake_repository(root)
    (root / "isic" / "images" / "ISIC_3.jpg").touch()
    (root / "isic" / METADATA).write_text("image,age_approx\n")
    (root / "isic" / GROUND_TRUTH).write_text("image\n")
    (root / "configs").mkdir()
    simclr = find_ssl_config(CONFIGS, "simclr", "64")
    classifier = CONFIGS / "benchmarks" / "classification" / "isic2019" / CLASSIFIER
    for name, base in (("ssl", simclr), ("classifier", classifier)):
        (root / "configs" / f"{name}_base.py").write_text(f"_base_ = {str(base)!r}\n")
        (root / "configs" / f"{name}.py").write_text(f"_base_ = '{name}_base.py'\n")
    with (root / "configs" / "classifier.py").open("a") as file:
        file.write("custom_imports = dict(imports=['own_module'])\n")
    (root / "own_module.py").write_text("")
    (root / "my start.pth").write_text("weights")
    (root / "lists").mkdir()
    # Image 2 is in the test list alone.
    images = {"train": (1, 3), "subtrain": (1,), "val": (3,), "test": (2,)}
    for part in PARTS:
        lines = (f"ISIC_{number}.jpg {number % 2}\n" for number in images[part])
        (root / "lists" / f"ISIC_2019_{part}_fold0.txt").write_text("".join(lines))
    return StudySettings(
        root=root,
        data_root=root / "isic",
        work_dir=Path("work"),
        ssl_configs={"simclr": root / "configs" / "ssl.py"},
        finetune_config=root / "configs" / "classifier.py",
        ready_splits=Path("lists") if ready else None,
        lrs=(0.01, 0.1),
        ssl_options=(f"load_from={quoted(Path('my start.pth'))}",),
        options=("runner.max_epochs=1",),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudySettings]:
    """A folder with a finished study; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        replace_slow_parts(patch)
        settings = make_study()
        assert again(settings) == EVERYTHING
    return folder, settings


@pytest.fixture
def study(
    finished: tuple[Path, StudySettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StudySettings:
    """A copy of the finished study, in the current folder: it may be moved."""
    folder, settings = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, symlinks=True)
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(str(copy))
    sys.modules.pop("own_module", None)
    return settings


def again(settings: StudySettings) -> set[str]:
    """Return what a study does that was done before."""
    pipeline.run_study(settings)
    return {call.partition(" from ")[0] for call in calls(Path())}


def test_nothing_changed(study: StudySettings) -> None:
    before = json.loads((study.work_dir / "results.json").read_text())
    assert again(study) == set()
    after = json.loads((study.work_dir / "results.json").read_text())
    assert after["runs"] == before["runs"]
    assert after["ssl"] == before["ssl"]
    assert after["lr_search"] == before["lr_search"]


@pytest.mark.parametrize(
    ("file", "behind"),
    [
        (f"isic/{METADATA}", CLASSIFIERS | COMPARISON),  # patients' age and sex, and lesions
        ("isic/images/ISIC_1.jpg", EVERYTHING),
        ("isic/images/ISIC_2.jpg", COMPARISON | measured("scratch") | measured("simclr")),
        ("lists/ISIC_2019_subtrain_fold0.txt", searches("scratch") | searches("simclr")),
        ("lists/ISIC_2019_val_fold0.txt", searches("scratch") | searches("simclr")),
        ("lists/ISIC_2019_train_fold0.txt", AFTER_SSL | final("scratch")),
        ("lists/ISIC_2019_test_fold0.txt", COMPARISON | measured("scratch") | measured("simclr")),
        ("configs/ssl.py", AFTER_SSL),
        ("configs/ssl_base.py", AFTER_SSL),
        ("configs/classifier.py", CLASSIFIERS | COMPARISON),
        ("configs/classifier_base.py", CLASSIFIERS | COMPARISON),
        ("own_module.py", CLASSIFIERS | COMPARISON),
        ("my start.pth", AFTER_SSL),
        ("tools/test.py", {"test work/finetune/scratch/test", "test work/finetune/simclr/test"}),
        ("tools/train.py", EVERYTHING),
        ("isic/" + GROUND_TRUTH, set()),  # of the lists, which are the user's own here
    ],
)
def test_a_changed_file(study: StudySettings, file: str, behind: set[str]) -> None:
    text = {".py": "\nlog_level = 'WARNING'\n", ".txt": "ISIC_3.jpg 0\n"}.get(
        Path(file).suffix, "more\n"
    )
    with open(file, "a") as opened:
        opened.write(text)
    assert again(study) == behind
    assert again(study) == set()


def test_an_image_with_another_time(study: StudySettings) -> None:
    os.utime("isic/images/ISIC_2.jpg", (1, 1))
    assert again(study) == COMPARISON | measured("scratch") | measured("simclr")


def alter(path: str, content: bytes) -> None:
    """Change the content of a file, and keep its size and time."""
    before = os.stat(path)
    assert len(content) == before.st_size
    Path(path).write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_verify_finds_another_content_behind_the_same_size_and_time(
    study: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = dataclasses.replace(study, verify=True)
    image = "isic/images/ISIC_2.jpg"
    Path(image).write_bytes(b"an image")
    assert again(study) == COMPARISON | measured("scratch") | measured("simclr")
    assert again(verified) == set()
    alter(image, bytes(byte ^ 1 for byte in Path(image).read_bytes()))
    assert again(study) == set()  # sizes and times are the same
    assert again(verified) == COMPARISON | measured("scratch") | measured("simclr")
    assert "1 image has another content than before" in capsys.readouterr().out
    assert again(study) == set()  # the index knows now
    assert again(verified) == set()


def test_verify_finds_replaced_results(study: StudySettings) -> None:
    path = "work/ssl/simclr/backbone.pth"
    alter(path, bytes(byte ^ 1 for byte in Path(path).read_bytes()))
    assert again(study) == set()
    assert again(dataclasses.replace(study, verify=True)) == AFTER_SSL


def test_a_lost_index_of_the_images_is_made_again(study: StudySettings) -> None:
    index = study.image_index
    assert len(json.loads(index.read_text())) > 0
    index.write_text("{")
    assert again(dataclasses.replace(study, verify=True)) == set()
    assert len(json.loads(index.read_text())) > 0


@pytest.mark.parametrize(
    ("change", "behind"),
    [
        ({"seed": 1}, EVERYTHING),
        ({"ssl_options": ("optimizer.weight_decay=0.5",)}, AFTER_SSL),
        ({"finetune_options": ("data.samples_per_gpu=7",)}, CLASSIFIERS | COMPARISON),
        ({"lrs": (0.01, 0.1, 0.2)}, {f"train work/finetune/{arm}/lr_0.2" for arm in ARMS}),
        ({"lrs": (0.01,)}, final("scratch") | final("simclr")),
    ],
)
def test_a_changed_option(study: StudySettings, change: dict, behind: set[str]) -> None:
    assert again(dataclasses.replace(study, **change)) == behind


@pytest.mark.parametrize("name", ["source_digest", "torch_version"])
def test_other_code(
    study: StudySettings,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fingerprint, name, lambda: "another")
    assert again(study) == EVERYTHING
    word = "code" if name == "source_digest" else "torch"
    assert f"simclr pre-training: restarts ({word} " in capsys.readouterr().out
    made_by = read_results(study.work_dir / "results.json").runs[0].made_by
    assert made_by is not None
    assert made_by[word] == "another"


def test_a_stage_that_another_file_came_into(study: StudySettings) -> None:
    Path("work/ssl/simclr/backbone.pth").write_text("of somebody else")
    assert again(study) == AFTER_SSL
    Path("work/finetune/scratch/final/latest.pth").unlink()
    assert again(study) == final("scratch")
    Path("work/finetune/scratch/test/scores.npz").unlink()
    assert again(study) == {"test work/finetune/scratch/test"}


def test_what_happened_is_told(study: StudySettings, capsys: pytest.CaptureFixture[str]) -> None:
    Path("work/ssl/simclr/backbone.pth").write_text("of somebody else")
    with open(f"isic/{METADATA}", "a") as file:
        file.write("more\n")
    again(dataclasses.replace(study, seed=1))
    output = capsys.readouterr().out
    assert "simclr pre-training: restarts (seed 0 -> 1; backbone.pth was replaced)" in output
    assert "data.train.data_source.patients changed" in output


def test_a_record_of_an_older_version(
    study: StudySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("work/ssl/simclr/.step.json")
    record = json.loads(path.read_text())
    for key in ("form", "outputs", "made_by"):
        del record[key]
    path.write_text(json.dumps(record))
    assert again(study) == AFTER_SSL
    assert "restarts (its record is of an older version" in capsys.readouterr().out
    assert Path("work/ssl/simclr.old-1/backbone.pth").exists()
    assert again(study) == set()


def test_a_copy_with_other_times_is_the_same(study: StudySettings) -> None:
    for path in Path("work").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    assert again(study) == set()


@pytest.mark.parametrize(
    ("file", "behind"),
    [
        (f"isic/{METADATA}", SPLITS | CLASSIFIERS | COMPARISON),
        (f"isic/{GROUND_TRUTH}", SPLITS),  # it gives equal lists here
        ("isic/images/ISIC_3.jpg", SPLITS),  # which no list names
    ],
)
def test_lists_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, behind: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = make_study(ready=False)
    assert again(settings) == SPLITS | EVERYTHING
    with open(file, "a") as opened:
        opened.write("more\n")
    assert again(settings) == behind


def test_every_result_says_who_made_it(study: StudySettings) -> None:
    results = read_results(study.work_dir / "results.json")
    for record in (*results.runs, *results.ssl):
        assert record.made_by is not None
        assert {"version", "code", "date", "machine", "torch"} <= set(record.made_by)


def test_stamp_follows_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("")
    (tmp_path / "a list.txt").write_text("x.jpg 0\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x.jpg").touch()

    def stamp(*argv: str) -> dict:
        fingerprint.forget_images()
        return Stage("a", tmp_path / "a", ("tool.py", *argv), tmp_path).stamp()

    options = ("--seed", "3", "--cfg-options", "data.ann_file='a list.txt'", "data.prefix=images")
    first = stamp(*options, "--out", "here")
    assert (first["tool"], first["seed"]) == ("tool.py", 3)
    assert first["data.ann_file"].startswith("sha256:")
    assert stamp(*options, "--out", "there") == first
    (tmp_path / "images" / "y.jpg").touch()  # no list names it
    assert stamp(*options) == first
    (tmp_path / "images" / "x.jpg").write_text("more")
    assert stamp(*options)["data.prefix"] != first["data.prefix"]
    (tmp_path / "a list.txt").write_text("y.jpg 0\n")
    assert stamp(*options)["data.ann_file"] != first["data.ann_file"]
