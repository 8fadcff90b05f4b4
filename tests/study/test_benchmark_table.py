"""The rows of the comparison of frozen features, and their baselines."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mmselfsup.study import fingerprint
from mmselfsup.study.benchmark import FrozenSettings, plan_entries, probe_stage
from mmselfsup.study.benchmark_table import UNTRAINED, FrozenRecord, beats_untrained, cells

ROOT = Path(__file__).resolve().parents[2]
DATASET_CONFIG = ROOT / "configs/benchmarks/classification/knn_isic2019-64.py"


def record(name: str, score: float, network: str = "resnet18") -> FrozenRecord:
    values = {f.name: None for f in dataclasses.fields(FrozenRecord)}
    numbers = dict(seed=0, epochs=3, views=600, knn=score, probe=score, seconds=90.0)
    values |= dict(numbers, name=name, network=network)
    return FrozenRecord(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["byol", "vicreg"])
def test_only_a_trained_network_has_minutes_and_a_verdict(name: str) -> None:
    trained, worse, untrained = record(name, 0.4), record(name, 0.2), record(UNTRAINED, 0.3)
    rows = [trained, worse, untrained]
    assert cells(trained, rows)[8:10] == ["yes", "1.5"]
    assert cells(worse, rows)[8:10] == ["no", "1.5"]
    assert cells(untrained, rows)[8:10] == ["", ""]


def test_the_baseline_is_the_same_network() -> None:
    floor = [record(UNTRAINED, 0.3), record(UNTRAINED, 0.5, "vit-tiny-p8")]
    assert beats_untrained(record("byol", 0.4), floor)
    assert not beats_untrained(record("mae", 0.4, "vit-tiny-p8"), floor)


def settings_in(folder: Path, **changes: Any) -> FrozenSettings:
    settings = FrozenSettings(
        root=ROOT,
        images=folder,
        train=folder / "train.txt",
        test=folder / "test.txt",
        out=folder / "out",
        dataset_config=DATASET_CONFIG,
        algorithms=("simclr",),
    )
    return dataclasses.replace(settings, **changes)


def test_each_network_is_evaluated_untrained(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, algorithms=("simclr", "mae", "byol"), seeds=(0, 1))
    entries = plan_entries(settings, 1_000)
    found = [(entry.name, entry.network, entry.config.parent.name) for entry in entries[::2]]
    assert found == [
        (UNTRAINED, "resnet18", "simclr"),
        (UNTRAINED, "vit-tiny-p8", "mae"),
        ("simclr", "resnet18", "simclr"),
        ("mae", "vit-tiny-p8", "mae"),
        ("byol", "resnet18", "byol"),
    ]
    assert [entry.seed for entry in entries] == [0, 1] * 5
    for texts in ([entry.folder for entry in entries], [entry.title for entry in entries]):
        assert len(set(texts)) == 10


@pytest.mark.parametrize("probe", ["knn", "linear"])
def test_a_part_of_the_own_list_is_not_taken_of_the_folds(tmp_path: Path, probe: str) -> None:
    config = tmp_path / "data.py"
    config.write_text(
        f"_base_ = {str(DATASET_CONFIG)!r}\n"
        "data = dict(val=dict(data_source=dict(split=dict(part='val', val_share=0.2))))\n"
    )
    settings = settings_in(tmp_path, dataset_config=config)
    argv = probe_stage(settings, plan_entries(settings, 1_000)[0], probe).argv
    assert "data.val.data_source.split=None" in argv
    assert not any(option.startswith("data.train.data_source.split") for option in argv)


def test_other_code_or_another_precision_makes_the_features_of_a_row_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One table never mixes features of two versions, nor of overrides of the precision."""
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text("0.jpg 0\n")
    settings = settings_in(tmp_path)

    def done(changed: FrozenSettings, probe: str) -> bool:
        return probe_stage(changed, plan_entries(changed, 1_000)[0], probe).step().is_done()

    for probe in ("knn", "linear"):
        step = probe_stage(settings, plan_entries(settings, 1_000)[0], probe).step()
        step.begin()
        (step.folder / f"{probe}.json").write_text("{}")
        step.finish(1.0)
        assert done(settings, probe)
        assert not done(dataclasses.replace(settings, options=("fp16=None",)), probe)
    monkeypatch.setattr(fingerprint, "source_digest", lambda: "the sources before")
    assert not done(settings, "knn")
    assert not done(settings, "linear")
