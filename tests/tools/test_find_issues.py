"""find_issues.py on a few images: its rankings, its page, and bad input in one line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import mmselfsup.apis.features.find_issues  # noqa: F401  (for the forks, once)
from tests.tools.command import Done, run_tool

LISTS = ("duplicates_across_lesions", "off_topic", "label_errors")


def run(place: Path, *argv: str) -> Done:
    args = ["simclr.py", "none", "--images", "images", "--dataset-config", "classifier.py"]
    args += ["--out", "out", "--neighbours", "3"]
    return run_tool("isic2019/find_issues.py", *args, *argv, folder=place)


def rows(place: Path, kind: str) -> list[dict[str, str]]:
    with (place / "out" / f"{kind}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def features_file(place: Path, **arrays: object) -> Done:
    np.savez(place / "own.npz", **arrays)  # type: ignore[arg-type]
    args = ["--features", "own.npz", "--out", "out", "--neighbours", "2"]
    return run_tool("isic2019/find_issues.py", *args, folder=place)


def test_names_of_embed_py_are_read(place: Path) -> None:
    features = np.random.default_rng(0).normal(size=(9, 4))
    names = [f"photo{i}.png" for i in range(9)]
    done = features_file(place, features=features, images=np.asarray(names))
    assert done.code == 0, done.text
    assert {row["image"] for row in rows(place, "off_topic")} == set(names)


def test_planted_issues_are_measured(place: Path) -> None:
    lesions = "".join(f"{i},L{i // 6}\n" for i in range(12))  # two lesions of all three classes
    (place / "meta.csv").write_text("image,lesion_id\n" + lesions)
    planting = ["--images", "images", "--list", "list.txt", "--metadata", "meta.csv"]
    planting += ["--copies", "0.1", "--others", "0.1", "--wrong", "0.1", "--out", "planted"]
    done = run_tool("isic2019/plant_issues.py", *planting, folder=place)
    assert done.code == 0, done.text
    assert "planted 1 duplicate, 1 off_topic, 1 label_error" in done.last_line
    (place / "images").rename(place / "original")
    (place / "images").symlink_to(place / "original")  # what the links lead to
    options = ["--images", "planted/images", "--list", "planted/list.txt", "--show", "5"]
    options += ["--metadata", "planted/metadata.csv", "--planted", "planted/planted.csv"]
    done = run(place, *options)
    assert done.code == 0, done.text
    look = json.loads((place / "out" / "issues.json").read_text())
    assert {row["ranking"] for row in look["measured"]} == {
        "duplicates", "perceptual hash", "off topic", "label errors"
    }  # fmt: skip
    names = [row["image"] for row in rows(place, "off_topic")]
    precision = 1 / (1 + names.index("planted_other_00000.png"))
    measured = [row for row in look["measured"] if row["ranking"] == "off topic"]
    assert all(row["average_precision"] == precision for row in measured)
    assert (look["num_images"], look["num_lesions"]) == (14, 2)
    page = (place / "out" / "issues.html").read_text()
    assert "Planted issues found" in page
    assert page.count("data:image/webp") == sum(
        len(issue["images"]) for ranked in look["rankings"] for issue in ranked["shown"]
    )
    # no file of the data set was changed or removed, and a second planting overwrites nothing
    assert len(list((place / "original").iterdir())) == 12
    done = run_tool("isic2019/plant_issues.py", *planting, folder=place)
    assert done.code == 2
    assert "holds other files" in done.last_line


def test_equal_calls_give_equal_rankings_from_the_cache(place: Path) -> None:
    assert run(place, "--list", "list.txt").code == 0
    first = [(place / "out" / f"{kind}.csv").read_bytes() for kind in LISTS]
    stamp = (place / "out" / "features.npz").stat().st_mtime_ns
    assert run(place, "--list", "list.txt").code == 0
    assert [(place / "out" / f"{kind}.csv").read_bytes() for kind in LISTS] == first
    assert (place / "out" / "features.npz").stat().st_mtime_ns == stamp
    assert run(place, "--list", "list.txt", "--seed", "1").code == 0  # another network
    assert (place / "out" / "features.npz").stat().st_mtime_ns != stamp


def test_a_folder_of_other_data_has_classes_by_its_sub_folders(place: Path) -> None:
    for line in (place / "list.txt").read_text().splitlines():
        name, label = line.split()
        (place / "images" / f"kind{label}").mkdir(exist_ok=True)
        (place / "images" / name).rename(place / "images" / f"kind{label}" / name)
    done = run(place)
    assert done.code == 0, done.text
    found = rows(place, "label_errors")
    assert {row["label"] for row in found} == {"kind0", "kind1", "kind2"}
    assert all(row["image"].startswith(f"{row['label']}/") for row in found)
    assert "All duplicates" not in done.text
    assert "all duplicates are in one list" in done.text
    page = (place / "out" / "issues.html").read_text()
    assert "<h2>Near-duplicates</h2>" in page
    assert "lesion" not in page.replace("duplicates_across_lesions", "").replace(
        "No groups of images are named", ""
    )


def test_groups_are_called_as_in_the_study_of_the_metadata_or_as_given(place: Path) -> None:
    (place / "study" / "source").mkdir(parents=True)
    patients = "".join(f"{i},P{i // 6}\n" for i in range(12))  # two patients of all three classes
    (place / "study" / "source" / "groups.csv").write_text("image,lesion_id\n" + patients)
    words = {"name": "Clinic", "group": "patient", "groups": "patients"}
    (place / "study" / "data_words.json").write_text(json.dumps(words))
    options = ["--list", "list.txt", "--metadata", "study/source/groups.csv"]
    for given, several in (([], "patients"), (["--group-words", "animal", "animals"], "animals")):
        done = run(place, *options, *given)
        assert done.code == 0, done.text
        assert f"duplicates across {several}" in done.text
        page = (place / "out" / "issues.html").read_text()
        assert f"Near-duplicates within {several}" in page
        assert f"2 {several}</p>" in page
        assert "lesion" not in page.replace("duplicates_across_lesions", "").replace(
            "duplicates_within_lesions", ""
        )


def test_without_labels_the_rest_is_ranked_and_said(place: Path) -> None:
    done = run(place)  # a flat folder has no labels
    assert done.code == 0, done.text
    assert "Label errors are not ranked: no image has a label." in done.text
    assert len(rows(place, "off_topic")) == 12
    assert not (place / "out" / "label_errors.csv").exists()
    page = (place / "out" / "issues.html").read_text()
    assert "no image has a label" in page
    assert "Likely label errors" not in page


def test_one_class_is_said(place: Path) -> None:
    assert run(place, "--list", "list.txt").code == 0
    assert (place / "out" / "label_errors.csv").exists()
    (place / "list.txt").write_text("".join(f"{i}.jpg 1\n" for i in range(12)))
    done = run(place, "--list", "list.txt")
    assert done.code == 0, done.text
    assert "Label errors are not ranked: all images are of one class." in done.text
    assert not (place / "out" / "label_errors.csv").exists()  # that of the first run


def test_features_of_a_file(place: Path) -> None:
    features = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    features[7] = 2 * features[2]
    done = features_file(place, features=features, labels=np.arange(9) % 2, classes=["a", "b"])
    assert done.code == 0, done.text
    nearest = rows(place, "duplicates_across_lesions")[0]
    assert (nearest["image_1"], nearest["image_2"]) == ("2", "7")
    assert (nearest["label_1"], nearest["label_2"]) == ("a", "b")
    assert "two labels" in (place / "out" / "issues.html").read_text()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": np.full((9, 4), np.nan, np.float32)}, "9 of 9 features are NaN"),
        ({"features": np.ones((9, 4), np.float32)}, "have the same features"),
        ({"features": np.eye(2, dtype=np.float32)}, "--neighbours 2: there are 2 images"),
        ({"features": np.zeros((0, 4))}, "there are 0 images: nothing to compare"),
        ({"features": np.ones((1, 4))}, "there is 1 image: nothing to compare"),
        ({"other": np.eye(9)}, "no .npz file with an array 'features'"),
        ({"features": np.eye(9), "names": ["a"]}, "9 features, but 1 names"),
        ({"features": np.eye(9), "labels": np.ones(3, int)}, "wanted one for each of 9"),
        ({"features": np.eye(9), "lesions": ["a"]}, "9 features, but 1 lesions"),
    ],
)
def test_unusable_features_are_one_line(
    place: Path, arrays: dict[str, object], message: str
) -> None:
    done = features_file(place, **arrays)
    assert done.code == 2, done.text
    assert message in done.last_line
    assert not (place / "out" / "issues.json").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--neighbours", "12"), "--neighbours 12: there are 12 images"),
        (("--list", "none.txt"), "none.txt: no such list"),
        (("--metadata", "none.csv"), "none.csv: no such CSV file"),
        (("--images", "nowhere"), "nowhere: no such folder"),
        (("--planted", "none.csv"), "none.csv: can't read the planted issues"),
        (("--features", "own.npz"), "one of both"),
        (("--show", "0"), "--show 0: give 1 or more"),
        (("--seed", "-1"), "--seed -1: give a whole number from 0 to 4294967295"),
        (("--images", "empty"), "empty: no images in this folder"),
    ],
)
def test_bad_arguments_are_one_line(place: Path, argv: tuple[str, ...], message: str) -> None:
    (place / "empty").mkdir()
    done = run(place, *argv)
    assert done.code == 2, done.text
    assert message in done.last_line


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("image,label\n0.jpg,ak\n1.jpg,bcc\n", "label 'ak' must be one of red, green, blue"),
        ("image,ak,bcc\n0.jpg,1,0\n1.jpg,0,1\n", "the class(es) red, green, blue; there are"),
        ("image,label\n0.jpg,3\n1.jpg,0\n", "label 3 of '0.jpg' is not in 0..2"),
    ],
)
def test_classes_of_ones_own_are_one_line(place: Path, lines: str, message: str) -> None:
    (place / "own.csv").write_text(lines)
    done = run(place, "--list", "own.csv")
    assert done.code == 2, done.text
    assert message in done.last_line
    key = "data.val.data_source.classes"
    assert f"{key} of classifier.py is red, green, blue; name the classes of" in done.last_line
    assert f'by --cfg-options "{key}=[NAME,...]", or take those in it by {key}=None' in (
        done.last_line
    )
    done = run(place, "--list", "own.csv", "--cfg-options", f"{key}=[x,y,z]")
    assert f"{key} of --cfg-options is x, y, z" in done.last_line


def test_classes_of_the_list(place: Path) -> None:
    rows_of = "".join(f"{i}.jpg,{'ab'[i % 2]}k\n" for i in range(12))
    (place / "own.csv").write_text(f"image,label\n{rows_of}")
    none = "data.val.data_source.classes=None"
    done = run(place, "--list", "own.csv", "--cfg-options", none)
    assert done.code == 0, done.text
    assert {row["label"] for row in rows(place, "label_errors")} == {"ak", "bk"}


def test_features_without_a_name_and_a_list_beside_features(place: Path) -> None:
    np.save(place / "own.npy", np.eye(9))
    for argv, message in (
        (["--features", "own.npy"], "one array without a name: np.savez(FILE, features=...)"),
        (["--features", "own.npy", "--list", "list.txt"], "--list: --features has its own names"),
    ):
        done = run_tool("isic2019/find_issues.py", *argv, "--out", "out", folder=place)
        assert done.code == 2, done.text
        assert message in done.last_line


def test_a_missing_image_is_one_line(place: Path) -> None:
    (place / "images" / "5.jpg").unlink()
    done = run(place, "--list", "list.txt")
    assert done.code == 2
    assert "lacks 1 of 12 listed images, such as 5.jpg" in done.last_line
