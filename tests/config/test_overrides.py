"""Overrides of a command line: what mmcv reads, and what it can't."""

import random
from pathlib import Path
from typing import Any

import pytest
from mmcv import Config, DictAction

from mmselfsup.config.load import merge_options, read_config
from mmselfsup.config.overrides import joined, parse_options, parse_value
from mmselfsup.study.configs import quoted
from mmselfsup.utils.errors import UserError

WORDS = ("1", "2.5", "-1e-3", "True", "false", "None", "word", "a/b.pth", "x=y", "1e5", "l[0]")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        ("3", 3),
        ("True", True),
        ("None", None),
        ("word", "word"),
        ("a/b=c", "a/b=c"),
        ("1,2", [1, 2]),
        ("[1,2]", [1, 2]),
        ("(1,2)", (1, 2)),
        ("(1)", (1,)),
        ("1,", [1]),
        ("[(1,2),(3,4)]", [(1, 2), (3, 4)]),
        ("[x,y]", ["x", "y"]),
        ("{'b': {'c': [1]}}", {"b": {"c": [1]}}),
        ("[{'b': [1,2]}, x]", [{"b": [1, 2]}, "x"]),
        ("-1e-3", -1e-3),
        ("", ""),
        ("[]", []),
        # what mmcv can't read: blanks, and quotes around commas and brackets
        ("my images/a.txt", "my images/a.txt"),
        ("'one, two'", "one, two"),
        ('"[1]"', "[1]"),
        ("'1'", "1"),
        ("'it\\'s, here'", "it's, here"),
        ("['a, b', c d]", ["a, b", "c d"]),
        ("'a','b'", ["a", "b"]),
        ("it's", "it's"),
        ("it's, so", ["it's", "so"]),
        ("a(1).pth", "a(1).pth"),
        ("[x]/a.pth", "[x]/a.pth"),
    ],
)
def test_values(text: str, value: Any) -> None:
    parsed = parse_options([f"a.b={text}"])["a.b"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("option", ["lr", "=1", "a={'b'", "a=[(1,2]", "a=f(1,2", "a=b,'c, d"])
def test_bad_options(option: str) -> None:
    with pytest.raises(UserError, match="--cfg-options"):
        parse_options([option])


def _nested(depth: int) -> str:
    """Words in brackets in brackets."""
    if depth == 0 or random.random() < 0.5:
        return random.choice(WORDS)
    inside = ",".join(_nested(depth - 1) for _ in range(random.randint(1, 3)))
    return random.choice(("[{}]", "({})")).format(inside)


def test_without_quotes_and_blanks_it_is_mmcv() -> None:
    compared = 0
    while compared < 500:
        text = ",".join(_nested(2) for _ in range(random.choice((1, 1, 2, 3))))
        try:
            expected = DictAction._parse_iterable(text)
        except (AssertionError, RecursionError):  # what mmcv trips over
            continue
        assert repr(parse_value(text)) == repr(expected), text
        compared += 1


@pytest.mark.parametrize("path", ["a b/c,d.txt", "it's (1), [2].txt", 'say "x", y', "{a}, b"])
def test_any_path_can_be_given(path: str, tmp_path: Path) -> None:
    (tmp_path / "leaf.py").write_text("load_from = None\n")
    cfg = read_config(str(tmp_path / "leaf.py"), [f"load_from={quoted(Path(path))}"])
    assert cfg.load_from == path


@pytest.mark.parametrize(
    ("options", "lr", "momentum"),
    [
        (["o.lr=0.5", "o={'momentum': 0.8}"], 0.5, 0.8),
        (["o={'momentum': 0.8}", "o.lr=0.5"], 0.5, 0.8),
        (["o.lr=0.5", "o={'lr': 0.4, 'momentum': 0.8}"], 0.4, 0.8),
        (["o={'lr': 0.4}", "o.lr=0.5"], 0.5, 0.9),
        (["o={'momentum': 0.8}"], 0.1, 0.8),
    ],
)
def test_a_dict_takes_no_other_override_away(
    options: list[str], lr: float, momentum: float, tmp_path: Path
) -> None:
    """The learning rate of the first line stayed that of the file, in silence."""
    path = tmp_path / "c.py"
    path.write_text("o = dict(lr=0.1, momentum=0.9)\n")
    cfg = read_config(str(path), options)
    assert (cfg.o.lr, cfg.o.momentum) == (lr, momentum)


def test_overrides_of_one_place() -> None:
    given = {"a.b.c": 1, "a.b.d": [{"e": 2}], "a": {"b": {"d": 3}}, "x.y": 1, "x": None, "z": {}}
    before = repr(given)
    assert joined(given) == {"a": {"b": {"c": 1, "d": 3}}, "x": None, "z": {}}
    assert joined({"a.b.c": 1, "a.b": 2}) == {"a.b": 2}
    assert joined({"a.b.c": 1, "a": {"b": 2}}) == {"a": {"b": 2}}
    assert repr(given) == before
    for given in ({"a.b": {"c": 1}, "a": {"b": {"d": 2}}}, {"a": {"b": {"d": 2}}, "a.b": {"c": 1}}):
        assert joined(given) == {"a": {"b": {"c": 1, "d": 2}}}
    assert joined({"a": {"b": {"c": 1}}, "a.b.c": 2}) == {"a": {"b": {"c": 2}}}
    listed = {"a": {"b": [{"c": 1}]}, "a.b.0.c": 2}  # an entry of a list: mmcv's to judge
    assert joined(listed) == listed


def test_a_folder_whose_name_has_a_comma(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is there is one value; lists of words, of numbers and of names stay lists."""
    folder = tmp_path / "my images, 2024"
    folder.mkdir()
    for name in ("a", "1,2", "'a,b'"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    options = [f"a={folder}", "b=my images, 2024", "c=1,2", f"d={folder}x", "e=a,b", "f='a,b'"]
    assert parse_options(options) == {
        "a": str(folder),
        "b": "my images, 2024",
        "c": [1, 2],
        "d": [str(tmp_path / "my images"), "2024x"],
        "e": ["a", "b"],
        "f": "a,b",
    }


def test_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells leave ``~/`` after ``a.b=``; other texts with ``~`` stay."""
    monkeypatch.setenv("HOME", "/own")
    options = ["a.b=~/images", "c=[~/x,y~/z]", "d='~/quoted'", "e=~"]
    expected = {"a.b": "/own/images", "c": ["/own/x", "y~/z"], "d": "~/quoted", "e": "~"}
    assert parse_options(options) == expected


@pytest.mark.parametrize(
    ("option", "why"),
    [
        (
            "data.train.pipelines.0.-1.size=4",
            "pipelines.0 is a list without an entry -1",
        ),
        ("data.train.pipelines.0.9.size=4", "an entry 9; it has 0 .RandomResizedCrop., 1 .ToT"),
        ("data.train.pipelines.5.0.size=4", "data.train.pipelines is a list without an entry 5"),
        ("data.train.pipelines.x.size=4", "without an entry x; it has 0 .a list."),
        ("data.train.pipelines.0.0=4", "data.train.pipelines.0.0 is a dict: set its entries"),
    ],
)
def test_a_way_through_lists_that_leads_nowhere(option, why):
    crop = {"type": "RandomResizedCrop", "size": 64}
    pipelines = [[crop, {"type": "ToTensor"}]]
    cfg = Config({"data": {"train": {"pipelines": pipelines}}})
    with pytest.raises(UserError, match=why) as found:
        merge_options(cfg, parse_options([option]))
    assert len(str(found.value)) < 160
