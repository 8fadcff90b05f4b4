"""--external: test sets of other clinics, from the option to the report."""

import csv
import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.isic.challenge import METADATA
from mmselfsup.metrics import classification_metrics, make_class_map
from mmselfsup.study import pipeline
from mmselfsup.study.cli import parse
from mmselfsup.study.external import External, PreparedSet, find_external, read_externals
from mmselfsup.study.external_measures import Scored, measure
from mmselfsup.study.external_records import OWN, ExternalSet
from mmselfsup.study.fingerprint import command_stamp, forget_images
from mmselfsup.study.records import read_results
from mmselfsup.study.report.external_overview import external_overview
from mmselfsup.study.report.external_section import external_section
from mmselfsup.study.report.external_tables import EXTERNAL_CSV, cell, few_note
from mmselfsup.study.report.kinds import kinds
from mmselfsup.study.report.page import write_report
from mmselfsup.study.report.sweep import make_overview, write_page, write_tables
from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages import external as stage
from mmselfsup.utils.errors import UserError
from tests.study.fake_tools import calls
from tests.study.study_data import write_finished_study

ROOT = Path(__file__).parents[2]
COUNTS = {"mel": 12, "akiec": 24, "nv": 12}


@pytest.fixture
def clinic(study: StudySettings, monkeypatch: pytest.MonkeyPatch) -> StudySettings:
    """A study with a set, whose tables the fake tool makes up."""
    (study.root / "clinic").mkdir()
    monkeypatch.setattr(pipeline, "check_external", lambda resolved: None)
    found = find_external("clinic=clinic", study.root)
    return dataclasses.replace(study, external=(found,), lrs=(0.01, 0.1))


def test_a_shipped_description_by_its_name(tmp_path: Path) -> None:
    found = find_external(f"PAD-UFES-20={tmp_path}", ROOT)
    assert (found.name, found.folder) == ("PAD-UFES-20", tmp_path)
    assert found.description.map["ACK"] == "AK"
    (tmp_path / "my.csv").write_text("image,label\n")
    table = find_external(f"ham10000={tmp_path / 'my.csv'}", ROOT)
    assert table.description.table == (str(tmp_path / "my.csv"),)
    assert table.description.label_column == "dx"
    assert find_external(f"other={tmp_path / 'my.csv'}", ROOT).description.map == {}
    assert find_external(f"other={tmp_path}", ROOT).description.images == (str(tmp_path),)
    (tmp_path / "own.yaml").write_text("name: x\ntable: my.csv\nmap: {0: MEL, 1: others}\n")
    own = find_external(f"Clinic={tmp_path / 'own.yaml'}", ROOT)
    assert own.description.map == {"0": "MEL", "1": "others"}
    assert own.description.name == "Clinic"
    assert set(own.reads.values()) == {tmp_path / "own.yaml", tmp_path / "my.csv", tmp_path}


def test_images_beside_a_table_count(tmp_path: Path) -> None:
    """An image that was missing when the set was prepared, or another one of the same name."""
    (tmp_path / "my.csv").write_text("image,label\na.png,MEL\nb.png,NV\n")
    stamps = []
    for name, size in (("a.png", 1), ("b.png", 1), ("b.png", 2)):
        (tmp_path / name).write_bytes(b"x" * size)
        forget_images()
        reads = find_external(f"clinic={tmp_path / 'my.csv'}", ROOT).reads
        stamps.append(command_stamp(["tools/x.py"], tmp_path, reads))
    assert stamps[0] != stamps[1] != stamps[2]
    packed = find_external(f"DermaMNIST={tmp_path}", ROOT)
    (tmp_path / "dermamnist_64.npz").touch()
    assert tmp_path not in packed.reads.values()


def test_a_changed_shipped_description_prepares_the_set_again(tmp_path: Path) -> None:
    place = tmp_path / "pad"
    place.mkdir()
    shipped = tmp_path / "configs" / "study_data" / "padufes20.yaml"
    shipped.parent.mkdir(parents=True)
    stamps = []
    for name in ("AK", "AK or SCC"):
        shipped.write_text(f"name: x\ntable: metadata.csv\nmap: {{ACK: {name}}}\n")
        found = find_external(f"PAD-UFES-20={place}", tmp_path)
        assert found.reads["description"] == shipped
        stamps.append(command_stamp(["tools/x.py"], tmp_path, found.reads))
    assert stamps[0]["description"] != stamps[1]["description"]
    (place / "my.csv").write_text("image,label\n")
    table = find_external(f"PAD-UFES-20={place / 'my.csv'}", tmp_path)
    assert set(table.reads.values()) == {shipped, place / "my.csv", place}


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "study_data").glob("*.yaml")))
def test_maps_of_shipped_descriptions(path: Path, tmp_path: Path) -> None:
    described = find_external(f"{path.stem}={tmp_path}", ROOT).description
    model = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
    labels = described.classes or tuple(described.map)
    made = make_class_map(described.map, labels, model, path.stem)
    assert len(made.classes) >= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clinic", "--external clinic: give NAME=PATH"),
        ("=x", "give NAME=PATH"),
        ("a/b=x", "give NAME=PATH"),
        ("clinic=nowhere", "there is no file or folder nowhere in /.*; if it is an override"),
        ("clinic=/no/where", "there is no file or folder /no/where; if it is"),
        ("my.clinic=no/where", "there is no file or folder no/where in "),
        ("my.clinic=list.csv", "there is no file or folder list.csv in "),
        ("lr=0.1", "folder 0.1 in .*if it is an override key=value, put it before --external, or"),
        ("runner.max_epochs=1", "1: this is no set NAME=PATH but an override of a config, it seem"),
    ],
)
def test_wrong_values(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        find_external(text, tmp_path)


def test_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--external: two sets are called 'a'"):
        read_externals([f"a={tmp_path}", f"A={tmp_path}"], ROOT)
    (tmp_path / "x.pdf").touch()
    with pytest.raises(UserError, match=r"x\.pdf is no folder, table or description"):
        find_external(f"a={tmp_path / 'x.pdf'}", ROOT)
    (tmp_path / "x.yaml").write_text("name: x\nmap: [1, 2]\n")
    with pytest.raises(UserError, match=r"x\.yaml: map must have lines 'name: text'"):
        find_external(f"a={tmp_path / 'x.yaml'}", ROOT)


def test_the_option(tmp_path: Path, study: StudySettings) -> None:
    images = study.root / "isic" / "images"
    env = {"ISIC_ROOT": str(images.parent), "SIZE": "demo", "WORK_DIR": str(tmp_path / "w")}
    argv = ["--external", f"one={tmp_path}", f"ph2={tmp_path}"]
    (made,) = parse(argv, env, ROOT).studies
    assert [external.name for external in made.external] == ["one", "ph2"]


@pytest.mark.usefixtures("no_drawing")
def test_stages_and_records(clinic: StudySettings, capfd: pytest.CaptureFixture[str]) -> None:
    results = pipeline.run_study(clinic)
    done = calls(clinic.root)
    assert [call for call in done if "external work" in call] == [
        "external work/data/external/clinic"
    ]
    for arm in ("scratch", "simclr"):
        folder = f"work/finetune/{arm}"
        tested = {call for call in done if call.startswith(f"test {folder}")}
        assert tested == {f"test {folder}/{n}" for n in ("test", "validation", "external_clinic")}
        # The classifier of the search stays: the temperature is fitted with it.
        assert (clinic.work_dir / "finetune" / arm / "lr_0.1" / "latest.pth").exists()
        assert not (clinic.work_dir / "finetune" / arm / "lr_0.01" / "latest.pth").exists()
    printed = capfd.readouterr().out
    command = re.search(r"\$ (python tools/test.py .*scratch/validation .*)", printed)
    assert command is not None
    assert "finetune/scratch/lr_0.1/latest.pth" in command[1]
    assert "ISIC_2019_val_fold0.txt" in command[1]
    command = re.search(r"\$ (python tools/test.py .*scratch/external_clinic .*)", printed)
    assert command is not None
    assert "finetune/scratch/final/latest.pth" in command[1]
    assert "ann_file=work/data/external/clinic/images.txt" in command[1]
    assert "7 images of other classes (wart 7)" in " ".join(printed.split())
    own, found = results.external_sets
    assert (own.name, own.listed) == (OWN, 40)
    assert (found.measured, found.absent[0], found.group[1]) == (20, "BKL", "patients")
    assert found.classes["other"] == ["BCC", "AK"]
    keys = [(record.arm, record.external) for record in results.external]
    assert keys == [("scratch", ""), ("simclr", ""), ("scratch", "clinic"), ("simclr", "clinic")]
    read = read_results(clinic.work_dir / "results.json")
    assert read.external[2].recall == results.external[2].recall
    assert read.external_sets == results.external_sets
    rows = list(csv.DictReader((clinic.work_dir / EXTERNAL_CSV).open()))
    assert {row["set"] for row in rows} == {"own test fold", "clinic"}
    assert len([row for row in rows if row["kind"] == "sex"]) == 4
    pipeline.run_study(clinic)
    assert calls(clinic.root) == []


@pytest.mark.usefixtures("no_drawing")
def test_a_class_without_an_output_is_none_of_the_models(clinic: StudySettings) -> None:
    """The config names nine classes, the head has eight outputs."""
    names = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
    option = f"data.test.data_source.classes=[{','.join([*names, 'UNK'])}]"
    given = dataclasses.replace(clinic, finetune_options=(option,))
    study = ResolvedStudy(given, Path("isic"))
    assert stage.model_classes(study) == names
    command = stage.prepare_stage(study, given.external[0]).argv
    assert "UNK" not in command
    results = pipeline.run_study(given)
    assert list(results.runs[0].recall) == names
    assert set(results.external_sets[0].counts) <= set(names)


@pytest.mark.usefixtures("no_drawing")
def test_the_classifiers_of_the_search_give_the_temperature(clinic: StudySettings) -> None:
    """They are there already: none is trained twice, and nothing is moved aside."""
    pipeline.run_study(clinic)
    trained = [call for call in calls(clinic.root) if "/lr_" in call and "train" in call]
    assert len(trained) == len(set(trained)) == 4
    assert not list(clinic.work_dir.rglob("*.old-*"))


@pytest.mark.usefixtures("no_drawing")
def test_a_study_that_was_tidied_trains_what_the_temperature_needs(clinic: StudySettings) -> None:
    pipeline.run_study(dataclasses.replace(clinic, external=()))
    calls(clinic.root)
    pipeline.run_study(clinic)
    trained = {call for call in calls(clinic.root) if call.startswith("train")}
    assert trained == {f"train work/finetune/{arm}/lr_0.1" for arm in ("scratch", "simclr")}
    pipeline.run_study(clinic)
    assert calls(clinic.root) == []


@pytest.mark.usefixtures("no_drawing")
def test_a_changed_table_prepares_the_set_again(clinic: StudySettings) -> None:
    table = clinic.root / "clinic" / "table.csv"
    table.write_text("image,label\n")
    found = find_external("clinic=clinic/table.csv", clinic.root)
    given = dataclasses.replace(clinic, external=(found,), lrs=(0.1,))
    pipeline.run_study(given)
    calls(clinic.root)
    table.write_text("image,label\na,b\n")
    pipeline.run_study(given)
    assert calls(clinic.root) == ["external work/data/external/clinic"]


def test_wrong_sets_are_found_before_any_training(study: StudySettings) -> None:
    table = study.root / "table.csv"
    table.write_text("image,label\nISIC_1.jpg,MEL\nISIC_2.jpg,wart\n")
    external = find_external("clinic=table.csv", study.root)
    external = dataclasses.replace(external, folder=study.root / "isic" / "images")
    given = dataclasses.replace(study, external=(external,))
    with pytest.raises(UserError, match="external set clinic: the class 'wart' has no entry"):
        pipeline.run_study(given)
    assert calls(study.root) == []


@pytest.mark.parametrize("ready", [False, True])
def test_rows_of_a_test_image_that_differ_are_found_before_any_training(
    ready: bool, clinic: StudySettings
) -> None:
    rows = "image,lesion_id,age_approx\nISIC_1,a,40\nISIC_1,a,50\n"
    (clinic.data_root / METADATA).write_text(rows)
    lists = clinic.root / "lists"
    lists.mkdir()
    own = dataclasses.replace(clinic, ready_splits=lists)
    own.split("test").write_text("ISIC_1.jpg 0\nISIC_2.jpg 1\n")
    message = r"column age_approx: 2 rows may be that of the image ISIC_1.jpg.* \(40, 50\)"
    with pytest.raises(UserError, match=message):
        stage.check(ResolvedStudy(own, own.data_root)) if ready else pipeline.run_study(clinic)
    assert not [call for call in calls(clinic.root) if call.startswith("train")]


def test_a_table_of_other_images_is_found_before_any_training(clinic: StudySettings) -> None:
    """Else age, sex and site would be missing in the report, silently."""
    lists = clinic.root / "lists"
    lists.mkdir()
    own = dataclasses.replace(clinic, ready_splits=lists)
    own.split("test").write_text("ISIC_1.jpg 0\nISIC_2.jpg 1\n")
    (clinic.data_root / METADATA).write_text("image,lesion_id,age_approx\nother,a,40\n")
    with pytest.raises(UserError, match=r"Metadata.csv has none of the 2 images \(e.g. ISIC_1"):
        stage.check(ResolvedStudy(own, own.data_root))


def test_patients_and_lists_of_the_user(study: StudySettings) -> None:
    options = ("data.test.data_source.patients=x.csv",)
    taking = ResolvedStudy(dataclasses.replace(study, finetune_options=options), Path("isic"))
    with pytest.raises(UserError, match="takes age, site and sex of the patient"):
        stage.model_classes(taking)
    one = External("a", "a=x", find_external(f"a={study.root}", study.root).description, Path())
    own = dataclasses.replace(study, ready_splits=Path("lists"), fold=2, external=(one,))
    assert own.external_dir("a") == Path("work/data/external/fold2/a")
    command = stage.prepare_stage(ResolvedStudy(own, Path("isic")), one).argv
    assert "lists/ISIC_2019_train_fold2.txt" in command
    made = dataclasses.replace(study, fold=2, external=(one,))
    command = stage.prepare_stage(ResolvedStudy(made, Path("isic")), one).argv
    assert any(word.endswith("train_fold0.txt") for word in command)  # the same for every fold


@pytest.mark.parametrize("name", ["others", "nevus or mole"])
def test_members_of_a_prepared_set_are_names(name: str) -> None:
    model = ["MEL", "NV", "BKL", name]
    facts = {"name": "clinic", "classes": ["MEL", name], "model_classes": model}
    prepared = PreparedSet({**facts, "members": [["MEL"], [name]]}, [], [], [], {})
    assert prepared.class_map.members == ((0,), (3,))
    assert prepared.class_map.absent == ("NV", "BKL")
    wrong = PreparedSet({**facts, "members": [["MEL"], ["XX"]]}, [], [], [], {})
    with pytest.raises(UserError, match="external set clinic has the class 'XX', which the model"):
        _ = wrong.class_map


def scored(seed: int, skill: float, patients: bool = True) -> Scored:
    """Scores of six images of each of five classes, two by two of a patient."""
    model = ("MEL", "NV", "BCC", "AK", "SCC")
    labels = np.repeat(np.arange(5), 12)
    scores = np.random.default_rng(seed).normal(size=(60, 5))
    scores[np.arange(60), labels] += skill
    given = {"mel": "MEL", "akiec": "AK or SCC", "nv": "NV"}
    classes = make_class_map(given, list(given), model, "set")
    numbers = classes.labels_of_model(labels)
    kept = numbers >= 0
    groups = [f"p{n // 2}" for n in range(int(kept.sum()))] if patients else None
    return Scored(scores[kept], numbers[kept], classes, groups, {}, labels[kept])


def test_the_drop_is_that_on_the_same_classes() -> None:
    own, other = scored(0, 3.0), scored(1, 1.0)
    record = measure("scratch", "clinic", other, own, 1.0)
    values = [
        classification_metrics(of.class_map.join(of.scores), of.labels, of.class_map.classes)
        for of in (own, other)
    ]
    accuracies = [value["balanced_accuracy"] for value in values]
    assert record.own is not None
    assert record.drop is not None
    assert record.own.value == pytest.approx(accuracies[0])
    assert record.balanced_accuracy.value == pytest.approx(accuracies[1])
    assert record.drop.value == pytest.approx(accuracies[0] - accuracies[1])
    assert record.drop.low is not None
    assert record.drop.value is not None
    assert record.drop.low < record.drop.value
    assert record.ece == record.scaled_ece == pytest.approx(values[1]["ece"])
    assert record.images == 48
    # Patients have two images: an interval by image is narrower.
    by_image = measure("scratch", "clinic", scored(1, 1.0, False), own, 2.0)
    assert by_image.scaled_ece != by_image.ece
    widths = [
        (r.balanced_accuracy.high or 0) - (r.balanced_accuracy.low or 0) for r in (record, by_image)
    ]
    assert widths[0] != widths[1]


def test_a_class_that_the_own_fold_lacks_leaves_no_drop() -> None:
    own = scored(0, 3.0)
    assert own.model_labels is not None
    without = dataclasses.replace(own, model_labels=np.where(own.model_labels == 1, 0, 1) * 3)
    record = measure("scratch", "clinic", scored(1, 1.0), without, 1.0)
    assert record.drop is None
    assert cell(record.drop) == "–"


def test_the_mean_over_folds(tmp_path: Path) -> None:
    for fold in (0, 1):
        folder = tmp_path / f"fold{fold}"
        write_finished_study(folder)
        results = read_results(folder / "results.json")
        own = scored(0, 3.0)
        record = measure("simclr", "clinic", scored(1 + fold, 1.0), own, 1.0)
        study = dataclasses.replace(results.study, fold=fold)
        runs = [dataclasses.replace(run, fold=fold) for run in results.runs]
        results = dataclasses.replace(results, external=[record], study=study, runs=runs)
        results = dataclasses.replace(results, external_sets=[made_set("clinic")])
        results.write(folder / "results.json")
    overview = make_overview(tmp_path)
    (table,) = [path for path in write_tables(overview) if path.name == EXTERNAL_CSV]
    rows = list(csv.DictReader(table.open()))
    values = [float(row["balanced_accuracy"]) for row in rows]
    assert [row["fold"] for row in rows] == ["0", "1"]
    text = write_page(overview).read_text()
    assert "<h2>Other clinics</h2>" in text
    assert f"{sum(values) / 2:.3f} ± {abs(values[0] - values[1]) / 2**0.5:.3f}" in text
    # A study that repeats a fold: its run counts once, as in the table of results.
    shutil.copytree(tmp_path / "fold1", tmp_path / "again")
    (studies,) = kinds(make_overview(tmp_path).found_runs)
    rows_of = external_overview([results for _, results in studies])
    assert rows_of is not None
    assert [row.runs for row in rows_of["rows"]["clinic"]] == [2]
    for name in ("fold0", "fold1", "again"):
        path = tmp_path / name / "results.json"
        dataclasses.replace(read_results(path), external=[], external_sets=[]).write(path)
    write_tables(make_overview(tmp_path))
    assert not table.exists()


def test_a_repeated_run_keeps_the_sets_of_the_older_study(tmp_path: Path) -> None:
    first, second = ["scratch", "simclr"], ["scratch", "byol"]
    for name, arms, date, sets in (
        ("a", first, "2024-01-01", ["clinic", "ward"]),
        ("b", second, "2024-02-01", []),
        ("c", second, "2024-03-01", ["ward"]),
    ):
        folder = tmp_path / name
        write_finished_study(folder, dict.fromkeys(arms, 1.0))
        results = read_results(folder / "results.json")
        records = [
            measure(arm, each, scored(1, 1.0), scored(0, 3.0), 1.0) for each in sets for arm in arms
        ]
        study = dataclasses.replace(results.study, date=date)
        results = dataclasses.replace(results, study=study, external=records)
        results = dataclasses.replace(results, external_sets=[made_set(each) for each in sets])
        results.write(folder / "results.json")
        overview = make_overview(tmp_path)
        (table,) = [path for path in write_tables(overview) if path.name == EXTERNAL_CSV]
        rows = list(csv.DictReader(table.open()))
        expected = [(arm, each) for arm in first for each in ("clinic", "ward")]
        expected += [("byol", "ward")] if name == "c" else []
        found = [(row["classifier"], row["set"]) for row in rows if not row["part"]]
        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("other", [{"counts": {**COUNTS, "nv": 30}}, {"digest": "b"}])
def test_sets_of_one_name_with_other_images_are_two(tmp_path: Path, other: dict[str, Any]) -> None:
    """Their mean would be that of no set."""
    for fold, facts in enumerate(({"digest": "a"}, other, other)):
        folder = tmp_path / f"fold{fold}"
        write_finished_study(folder)
        results = read_results(folder / "results.json")
        study = dataclasses.replace(results.study, fold=fold)
        runs = [dataclasses.replace(run, fold=fold) for run in results.runs]
        results = dataclasses.replace(
            results,
            study=study,
            runs=runs,
            external=[measure("simclr", "clinic", scored(1 + fold, 1.0), scored(0, 3.0), 1.0)],
            external_sets=[dataclasses.replace(made_set("clinic"), **facts)],
        )
        results.write(folder / "results.json")
    overview = make_overview(tmp_path)
    (studies,) = kinds(overview.found_runs)
    rows_of = external_overview([results for _, results in studies])
    assert rows_of is not None
    assert {name: [row.runs for row in rows] for name, rows in rows_of["rows"].items()} == {
        "clinic": [1],
        "clinic (2)": [2],
    }
    (table,) = [path for path in write_tables(overview) if path.name == EXTERNAL_CSV]
    names = [row["set"] for row in csv.DictReader(table.open()) if not row["part"]]
    assert names == ["clinic", "clinic (2)", "clinic (2)"]


def test_few_lesions_of_a_class_are_said(tmp_path: Path) -> None:
    """Their resamples vary too little."""
    write_finished_study(tmp_path)
    results = read_results(tmp_path / "results.json")
    records = [measure(run.arm, "clinic", scored(1, 1.0), None, 1.0) for run in results.runs]
    assert [record.fewest_lesions for record in records] == [6] * len(records)
    named = dataclasses.replace(made_set("clinic"), groups=24)
    results = dataclasses.replace(results, external=records, external_sets=[named])
    assert few_note(results).endswith("that has the fewest): clinic (6 lesions).")
    section = external_section(tmp_path, results)
    assert section is not None
    assert section.context["few_note"] == few_note(results)
    for fewest in (10, None):  # enough, and results of an older version
        other = [dataclasses.replace(record, fewest_lesions=fewest) for record in records]
        assert not few_note(dataclasses.replace(results, external=other))


def made_set(name: str) -> ExternalSet:
    counts = dict(COUNTS)
    classes = {"mel": ["MEL"], "akiec": ["AK", "SCC"], "nv": ["NV"]}
    return ExternalSet(name, "photos", 48, 0, 0, {}, counts, classes, [], ("lesion", "lesions"), 0)


def test_the_report_shows_the_sets(clinic: StudySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "write_report", lambda folder: folder)
    pipeline.run_study(clinic)
    results = read_results(clinic.work_dir / "results.json")
    text = write_report(clinic.work_dir).read_text()
    assert "<h2>Other clinics</h2>" in text
    assert "other = BCC or AK (10)" in text
    assert "which the set lacks" in text
    assert "intervals over patients" in text
    assert "<h3>Subgroups</h3>" in text
    dataclasses.replace(results, external=[], external_sets=[]).write(
        clinic.work_dir / "results.json"
    )
    assert "Other clinics" not in write_report(clinic.work_dir).read_text()
