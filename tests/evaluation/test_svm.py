"""Linear SVMs on frozen features: their measure, files, and command lines."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.evaluation.svm import (
    average_precision,
    check_classes,
    cross_validated,
    decision,
    fit,
    load_features,
    load_targets,
    read_svm,
    sample_suffix,
)
from mmselfsup.utils.errors import MismatchError, UserError
from tests.tools.command import Done, run_tool

TOOLS = "benchmarks/classification/svm_voc07/tools"


def groups(num: int = 60, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features [num, 8] that tell the classes, and targets [num, classes] with two labels a row."""
    rng = np.random.default_rng(seed)
    targets = np.zeros((num, classes), dtype=np.int64)
    for row, target in enumerate(targets):
        target[[row % classes, (row // classes) % classes]] = 1
    features = targets @ rng.normal(size=(classes, 8)) * 3 + 0.1 * rng.normal(size=(num, 8))
    targets[::11, 0] = -1
    return features.astype(np.float32), targets


def test_average_precision_equals_the_loop() -> None:
    rng = np.random.default_rng(0)
    targets, scores = rng.integers(-1, 2, 50), rng.normal(size=50)
    hits, precisions, seen = 0, [], 0
    for index in np.argsort(-scores):
        if targets[index] < 0:
            continue
        seen += 1
        if targets[index] == 1:
            hits += 1
            precisions.append(hits / seen)
    assert average_precision(targets, scores) == pytest.approx(np.mean(precisions))
    assert np.isnan(average_precision(np.zeros(4), np.zeros(4)))


def test_images_that_do_not_count_change_nothing() -> None:
    features, targets = groups()
    model = fit(features, targets[:, 0], 1.0)
    counted = targets[:, 0] >= 0
    alone = fit(features[counted], targets[counted, 0], 1.0)
    np.testing.assert_array_equal(model["weight"], alone["weight"])
    right = (decision(model, features[counted]) > 0) == (targets[counted, 0] == 1)
    assert right.all()
    assert cross_validated(features, targets[:, 0], 1.0) == pytest.approx(1.0)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.random.rand(4, 2, 3, 3).astype(np.float32))
    features = load_features(path)
    assert features.shape == (4, 18)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    np.save(path, np.full((2, 3), np.nan))
    with pytest.raises(UserError, match="NaN or infinite"):
        load_features(path)
    np.save(path, np.array([2, 0, -1, 1]))
    expected = [[0, 0, 1], [1, 0, 0], [-1, -1, -1], [0, 1, 0]]
    assert load_targets(path, 4).tolist() == expected
    with pytest.raises(MismatchError, match="4 rows for 5 features"):
        load_targets(path, 5)
    np.save(path, np.full((2, 2), 3))
    with pytest.raises(UserError, match="of 1, 0 and -1"):
        load_targets(path, 2)
    np.save(path, np.array([{"code": 1}]), allow_pickle=True)
    with pytest.raises(UserError, match="no array"):
        load_targets(path, 1)
    with pytest.raises(UserError, match="class 1 has 2 images"):
        check_classes(np.array([[1, 1], [1, 1], [1, 0], [0, 0], [0, 0], [0, 0]]), 3, "t.npy")
    assert sample_suffix("a/train_targets_sample2_k16.npy") == "_sample2_k16"
    with pytest.raises(UserError, match="must end with _sample"):
        sample_suffix("train_targets.npy")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for part, seed in (("train", 0), ("test", 0)):
        features, targets = groups(seed=seed)
        np.save(tmp_path / f"{part}.npy", features)
        np.save(tmp_path / f"{part}_targets.npy", targets)
    return tmp_path


def run(place: Path, name: str, *argv: str) -> Done:
    return run_tool(f"{TOOLS}/{name}.py", *argv, "--output_path", "svm", folder=place)


TRAIN = ("--data_file", "train.npy", "--targets_data_file", "train_targets.npy")
TEST = ("--data_file", "test.npy", "--targets_data_file", "test_targets.npy")


def test_full(place: Path) -> None:
    done = run(place, "train_svm_kfold", *TRAIN, "--cls_list", "0", "--costs_list", "0.1,1.0")
    assert done.code == 0, done.text
    first = np.load(place / "svm" / "cls0_cost1.npz")["weight"]
    assert not (place / "svm" / "cls1_cost1.npz").exists()
    done = run(place, "train_svm_kfold_parallel", *TRAIN, "--costs_list", "0.1,1.0")
    assert done.code == 0, done.text
    np.testing.assert_array_equal(np.load(place / "svm" / "cls0_cost1.npz")["weight"], first)
    done = run(place, "test_svm", *TEST, "--costs_list", "0.1,1", "--generate_json", "1")
    assert done.code == 0, done.text
    assert "mean AP of 3 classes: 100.00" in done.text
    assert np.load(place / "svm" / "test_ap.npy").shape == (3,)
    assert len(json.loads((place / "svm" / "test_scores.json").read_text())["59"]) == 3


def test_few_images_of_each_class(place: Path) -> None:
    converter = "data_converters/create_voc_low_shot_challenge_samples.py"
    argv = ("--targets_data_file", "train_targets.npy", "--output_path", "few")
    ks = ("--k_values", "1,4")
    done = run_tool(converter, *argv, *ks, "--num_samples", "2", folder=place)
    assert done.code == 0, done.text
    for sample in (1, 2):
        for k in (1, 4):
            targets = f"few/train_targets_sample{sample}_k{k}.npy"
            done = run(
                place, "train_svm_low_shot_parallel", "--data_file", "train.npy",
                "--targets_data_file", targets, "--costs_list", "0.1,10",
            )  # fmt: skip
            assert done.code == 0, done.text
    rest = (*ks, "--sample_inds", "0,1")
    done = run(place, "test_svm_low_shot", *TEST, *rest, "--costs_list", "0.1,10")
    assert done.code == 0, done.text
    done = run(place, "aggregate_low_shot_svm_stats", *rest)
    assert done.code == 0, done.text
    rows = json.loads((place / "svm" / "low_shot_ap.json").read_text())
    assert set(rows) == {"1", "4"}
    ap = np.load(place / "svm" / "test_ap_sample2_k4.npy")
    assert ap.shape == (2, 3)  # costs, classes
    assert rows["4"]["max"] >= 100 * ap.mean(axis=1).max() - 1e-9
    assert rows["4"]["mean"] > 90


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--costs_list", "a,b"), "--costs_list 'a,b': give numbers with commas"),
        (("--cls_list", "7"), "--cls_list 7: the classes are 0..2"),
        (("--data_file", "gone.npy"), "gone.npy: no array"),
        (("--data_file", ""), "give --data_file"),
    ],
)
def test_wrong_input(place: Path, argv: tuple[str, ...], message: str) -> None:
    done = run(place, "train_svm_kfold", *TRAIN, *argv)
    assert done.code == 2, done.text
    assert message in done.last_line


def test_untrained(place: Path) -> None:
    assert "train it first" in run(place, "test_svm", *TEST).last_line
    done = run(place, "aggregate_low_shot_svm_stats", "--k_values", "1", "--sample_inds", "0")
    assert "run test_svm_low_shot.py first" in done.last_line


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weight=np.zeros(99), bias=np.zeros(()))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"b\.npz: no SVM that can be read"):
        read_svm(tmp_path / "b.npz")
    (tmp_path / "c.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"c\.npy: no array .*several arrays"):
        load_features(tmp_path / "c.npy")
