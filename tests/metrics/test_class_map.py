"""The classes of a foreign test set in terms of a model's."""

import numpy as np
import pytest

from mmselfsup.metrics import make_class_map
from mmselfsup.utils.errors import UserError

MODEL = ("MEL", "NV", "BCC", "AK", "SCC")


def test_scores_of_joined_classes_are_added() -> None:
    given = {"mel": "MEL", "akiec": "AK or SCC", "nv": "NV", "misc": None}
    classes = make_class_map(given, ["mel", "akiec", "misc"], MODEL, "set")
    assert classes.classes == ("mel", "akiec", "nv")
    assert classes.names_of(1) == ("AK", "SCC")
    assert classes.absent == ("BCC",)
    assert classes.number == {"mel": 0, "akiec": 1, "nv": 2, "misc": None}
    probs = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]])
    expected = [0.1 / 0.7, (0.25 + 0.15) / 0.7, 0.2 / 0.7]  # without BCC, which the set lacks
    assert classes.join(probs)[0] == pytest.approx(expected)
    assert classes.join(np.log(probs))[0] == pytest.approx(expected)
    assert classes.labels_of_model([0, 1, 2, 3, 4]).tolist() == [0, 2, -1, 1, 1]


def test_names_that_mean_the_same_are_one_class() -> None:
    given = {"blue nevus": "NV", "clark nevus": "NV", "melanoma": "MEL", "in situ": "MEL"}
    classes = make_class_map(given, list(given), MODEL, "set")
    assert classes.classes == ("NV", "MEL")
    assert list(classes.number.values()) == [0, 0, 1, 1]


def test_others_are_the_rest() -> None:
    classes = make_class_map({"1": "MEL", "0": "others"}, ["0", "1"], MODEL, "set")
    assert classes.names_of(classes.number["0"] or 0) == ("NV", "BCC", "AK", "SCC")
    assert classes.absent == ()


def test_without_a_map_the_names_are_the_models() -> None:
    classes = make_class_map({}, ["NV", "MEL"], MODEL, "set")
    assert classes.classes == ("NV", "MEL")
    assert classes.absent == ("BCC", "AK", "SCC")


def test_a_class_called_others_is_itself() -> None:
    model = ("MEL", "NV", "BKL", "BCC", "others")
    classes = make_class_map({}, ["MEL", "NV", "others"], model, "set")
    assert [classes.names_of(n) for n in range(3)] == [("MEL",), ("NV",), ("others",)]
    assert classes.absent == ("BKL", "BCC")
    assert classes.labels_of_model(range(5)).tolist() == [0, 1, -1, -1, 2]
    named = make_class_map({"a": "MEL", "b": "BKL or others"}, ["a", "b"], model, "set")
    assert named.names_of(1) == ("BKL", "others")
    with pytest.raises(UserError, match="set: map of 'b': others is a class of the model and th"):
        make_class_map({"a": "MEL", "b": "others"}, ["a", "b"], model, "set")


def test_a_class_with_or_in_its_name() -> None:
    model = ("MEL", "nevus or mole", "BCC")
    classes = make_class_map({}, ["nevus or mole", "MEL"], model, "set")
    assert classes.members == ((1,), (0,))
    given = {"nv": "nevus or mole", "m": "MEL or BCC"}
    assert make_class_map(given, ["nv"], model, "set").members == ((1,), (0, 2))
    with pytest.raises(UserError, match="'a or b' is a class of the model, and so is each of a, b"):
        make_class_map({"x": "a or b", "y": "c"}, ["x"], ("a", "b", "a or b", "c"), "set")


def test_classes_without_images_are_left_out() -> None:
    given = {"a": "MEL", "b": "NV", "c": "BCC"}
    classes = make_class_map(given, list(given), MODEL, "set").present([3, 0, 2])
    assert classes.classes == ("a", "c")
    assert classes.number == {"a": 0, "b": None, "c": 1}
    assert classes.absent == ("NV", "AK", "SCC")
    with pytest.raises(ValueError, match="1 class has images"):
        classes.present([3, 0])


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        ({"a": "MEL", "b": "XX"}, ["a"], "set: map of 'b' names the class 'XX', which the model l"),
        ({"a": "MEL", "b": "NV"}, ["a", "c"], "set: the class 'c' has no entry in its map"),
        ({}, ["MEL", "nevus"], "set: the class 'nevus' has no entry.*without a map it must be of"),
        ({"a": "MEL or NV", "b": "NV"}, ["a"], "'b' and 'a' both have the class NV of the model"),
        ({"a": "MEL", "b": None}, ["a"], "leaves 1 class, two are needed"),
        ({"a": " or ".join(MODEL), "b": "others"}, ["a"], "no class of the model is left for oth"),
    ],
)
def test_errors(given: dict, labels: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_class_map(given, labels, MODEL, "set")
