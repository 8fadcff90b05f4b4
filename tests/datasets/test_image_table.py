"""Lists in arrays: equal to lists of Python objects, in whatever way they are used."""

import copy
import logging
import operator
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmselfsup.datasets.data_sources import ImageList, ImageNet
from mmselfsup.datasets.data_sources.image_table import ImageTable
from mmselfsup.datasets.data_sources.lists import Entry, read_list, read_text_list
from mmselfsup.datasets.data_sources.packed import (
    HashedStrings,
    PackedEntries,
    PackedStrings,
    pack,
)
from mmselfsup.datasets.data_sources.text_lists import read_packed
from mmselfsup.utils.errors import UserError

LINES = [
    "a.jpg 1", "b/c.png 0", "d 17", "  e.jpg   3  ", "no_label.jpg", "my image.jpg 4", "f.jpg -1",
    "g.jpg +2", "", "   ", "é.jpg 5", "\u3000h.jpg\u00a06", "i.jpg\t7", "j 8.jpg", "k.jpg 00000012",
    "l.jpg 000000000000000013", "name 20190301 3", "a,b.jpg 1", "m.jpg 10000000", "x" * 300 + " 1",
]  # fmt: skip


def old_infos(path: Path, prefix: str) -> list[dict[str, Any]]:
    """Return ``data_infos`` as it was made before."""
    return [
        dict(img_prefix=prefix, img_info=dict(filename=name), gt_label=label, line=line)
        for name, label, line in read_list(str(path))
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("seed", range(6))
def test_any_list_reads_as_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newline: str, seed: int
) -> None:
    monkeypatch.setattr("mmselfsup.datasets.data_sources.text_lists._BLOCK", 1 + 40 * seed)
    dice = random.Random(seed)
    lines = dice.choices(LINES if seed % 2 else [x for x in LINES if x.isascii()], k=60)
    text = ("\ufeff" if seed > 3 else "") + newline.join(lines) + newline * dice.randint(0, 1)
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode())
    packed, plain = read_packed(str(path)), read_list(str(path))
    assert isinstance(packed, PackedEntries)
    assert list(packed) == plain
    assert [packed[i] for i in range(len(plain))] == plain
    assert all(type(entry.label) is int and type(entry.line) is int for entry in packed)


@pytest.mark.parametrize(
    "content",
    [
        b"a.jpg 1\nb.jpg 10000001\n", b"a.jpg 1\nb.jpg 123456789012345678901\n", b"\n \n", b"",
        b"a.jpg 1\n\xff.jpg 2\n", b"a.jpg,1\n", b"a.jpg nevus\n", b"a.jpg -2\n",
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_before(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    assert read_packed(str(path)) is None
    with pytest.raises(UserError) as old:
        read_list(str(path))
    with pytest.raises(UserError) as new:
        read_text_list(str(path))
    assert str(new.value) == str(old.value)


def test_several_labels_are_an_array(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("a.jpg 1 0 1\nb.jpg 0 0 1\n")
    source = ImageList(str(tmp_path), ann_file=str(tmp_path / "l.txt"))
    assert source.data_infos == old_infos(tmp_path / "l.txt", str(tmp_path))
    assert source.get_gt_labels().tolist() == [[1, 0, 1], [0, 0, 1]]
    (tmp_path / "l.txt").write_text("a.jpg 1 0 1\nb.jpg 0\n")
    with pytest.raises(UserError, match="same number of labels"):
        ImageList(str(tmp_path), ann_file=str(tmp_path / "l.txt")).get_gt_labels()


@pytest.fixture
def source(tmp_path: Path) -> ImageList:
    (tmp_path / "l.txt").write_text("".join(f"{i}.jpg {i % 3}\n" for i in range(7)))
    return ImageList(str(tmp_path), ann_file=str(tmp_path / "l.txt"), classes=["a", "b", "c"])


def test_data_infos_read_as_a_list(source: ImageList, tmp_path: Path) -> None:
    infos, old = source.data_infos, old_infos(tmp_path / "l.txt", str(tmp_path))
    assert isinstance(infos, ImageTable)
    assert infos == old
    assert old == infos
    assert infos != old[:-1]
    assert (infos[-1], infos[2:5], infos[::-1], len(infos)) == (old[-1], old[2:5], old[::-1], 7)
    assert old[3] in infos
    assert infos.index(old[3]) == 3
    assert list(reversed(infos)) == old[::-1]
    assert operator.add(infos, [1]) == [*old, 1]
    assert operator.add([1], infos) == [1, *old]
    assert pickle.loads(pickle.dumps(infos)) == old == copy.deepcopy(infos) == infos.copy()
    assert type(copy.deepcopy(infos[0])) is dict
    for wrong in (7, -8):
        with pytest.raises(IndexError):
            infos[wrong]


def test_changes_of_data_infos_are_kept(source: ImageList) -> None:
    infos = source.data_infos
    first, again = infos[1], infos[1]
    first["gt_label"] = 2
    again["more"] = 5
    first["img_info"]["filename"] = "other.jpg"
    again["img_info"].update(width=3)
    expected = {"filename": "other.jpg", "width": 3}
    assert infos[1]["img_info"] == expected
    assert infos[1]["more"] == 5
    assert next(x for x in infos if x.get("more"))["gt_label"] == 2
    for info in infos:
        info["gt_label"] = 1
    assert source.get_gt_labels().tolist() == [1] * 7
    assert source.image_names() == ["0.jpg", "other.jpg", *(f"{i}.jpg" for i in range(2, 7))]
    assert infos[1:3][0]["more"] == 5
    source._keep([1, 4])
    assert [info["img_info"]["filename"] for info in source.data_infos] == ["other.jpg", "4.jpg"]
    assert source.data_infos[0].pop("more") == 5
    assert "more" not in source.data_infos[0]


def test_entries_can_be_added_and_removed(source: ImageList, tmp_path: Path) -> None:
    infos, old = source.data_infos, old_infos(tmp_path / "l.txt", str(tmp_path))
    infos[2]["gt_label"] = old[2]["gt_label"] = 9
    for rows in (infos, old):
        rows.append(dict(img_info=dict(filename="new.jpg"), gt_label=1))
        del rows[0]
        rows[0]["gt_label"] = 4
        rows[1:3] = rows[2:3]
        rows.sort(key=lambda info: -info["gt_label"])
    assert infos == old
    assert len(source) == len(old)
    assert source.get_gt_labels().tolist() == [info["gt_label"] for info in old]


def test_a_change_after_a_swap_is_of_the_swapped_entry(source: ImageList, tmp_path: Path) -> None:
    old = old_infos(tmp_path / "l.txt", str(tmp_path))
    for change in (
        lambda rows: rows.reverse(),
        lambda rows: random.Random(0).shuffle(rows),
        lambda rows: operator.setitem(rows, slice(0, 2), [rows[1], rows[0]]),
        lambda rows: rows.__setitem__(3, rows[5]),
    ):
        infos, plain = copy.deepcopy(source.data_infos), copy.deepcopy(old)
        for rows in (infos, plain):
            change(rows)
            rows[0]["gt_label"] = 9
            rows[3]["img_info"]["filename"] = "3rd"
        assert infos == plain
    infos[1], infos[4] = infos[4], infos[1]
    infos[1]["gt_label"] = 8
    assert [info["gt_label"] == 8 for info in infos] == [i == 1 for i in range(7)]


def test_dicts_that_are_held_stay_those_of_the_table(source: ImageList) -> None:
    infos = source.data_infos
    image = infos[0]["img_info"]
    assert infos[0]["img_info"] is image
    held, part = infos[1], infos[2:4]
    assert infos[1] is held
    del infos[0]
    image["filename"] = "removed"
    held["gt_label"] = 5
    for info in part:
        info["gt_label"] = 7
    infos.append(dict(img_info=dict(filename="new"), gt_label=0))
    part[0]["img_info"]["filename"] = "part"
    assert source.get_gt_labels().tolist() == [5, 7, 7, 1, 2, 0, 0]
    assert source.image_names() == [
        "1.jpg", "part", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "new"
    ]  # fmt: skip


def test_dicts_that_are_held_are_in_a_part_too(source: ImageList) -> None:
    held, image = source.data_infos[4], source.data_infos[1]["img_info"]
    source._keep([1, 4])
    held["gt_label"], image["filename"] = 8, "x"
    assert [info["gt_label"] for info in source.data_infos] == [1, 8]
    assert source.image_names() == ["x", "4.jpg"]


def test_entries_are_not_held_by_the_table(source: ImageList) -> None:
    infos: Any = source.data_infos
    assert sum(1 for _ in infos) == 7
    assert infos[2:4]
    assert (len(infos._held), len(infos._held_images)) == (0, 0)
    assert infos.names() is not None
    assert infos._plain is None


Rows = Any  # a table, or the list that it has to be equal to


def _drop_while_reading(rows: Rows, i: int, j: int) -> None:
    for info in rows:
        info["seen"] = info.get("seen", 0) + 1
        if info.get("gt_label") == j % 3:
            rows.remove(info)


def _swap(rows: Rows, i: int, j: int) -> None:
    rows[i], rows[j] = rows[j], rows[i]


def _set_all(rows: Rows, i: int, j: int) -> None:
    for info in rows[i:]:
        info["gt_label"] = j


#: What can be done to a list of infos, with two places; what it returns is held.
STEPS: dict[str, Any] = {
    "get": lambda rows, i, j: rows[i],
    "image": lambda rows, i, j: rows[i].get("img_info"),
    "slice": lambda rows, i, j: rows[i:j],
    "backwards": lambda rows, i, j: rows[::-2],
    "all": lambda rows, i, j: list(rows),
    "copy": lambda rows, i, j: rows.copy(),
    "shallow": lambda rows, i, j: copy.copy(rows),
    "sum": lambda rows, i, j: operator.add(rows, [rows[i]]),
    "twice": lambda rows, i, j: rows * 2,
    "change": lambda rows, i, j: rows[i].update(gt_label=j),
    "rename": lambda rows, i, j: rows[i].setdefault("img_info", {}).update(filename=f"{j}"),
    "new image": lambda rows, i, j: rows[i].update(img_info={"filename": f"new{j}"}),
    "empty": lambda rows, i, j: rows[i].clear(),
    "forget": lambda rows, i, j: rows[i].pop("gt_label", None) and None,
    "or": lambda rows, i, j: operator.ior(rows[i], {"more": j}) and None,
    "set all": _set_all,
    "swap": _swap,
    "same": lambda rows, i, j: operator.setitem(rows, i, rows[j]),
    "replace": lambda rows, i, j: operator.setitem(rows, i, {"gt_label": j}),
    "part": lambda rows, i, j: operator.setitem(rows, slice(i, i + 2), rows[j : j + 3]),
    "delete": lambda rows, i, j: operator.delitem(rows, i),
    "cut": lambda rows, i, j: operator.delitem(rows, slice(i, i + 2)),
    "pop": lambda rows, i, j: rows.pop(i),
    "remove": lambda rows, i, j: rows.remove(rows[i]),
    "insert": lambda rows, i, j: rows.insert(i, {"gt_label": j, "img_info": {}}),
    "append": lambda rows, i, j: rows.append(rows[i]),
    "extend": lambda rows, i, j: rows.extend(rows[i : i + 2]),
    "reverse": lambda rows, i, j: rows.reverse(),
    "sort": lambda rows, i, j: rows.sort(key=lambda info: str(info.get("gt_label")) + str(j)),
    "shuffle": lambda rows, i, j: random.Random(i).shuffle(rows),
    "drop": _drop_while_reading,
}
READ = [name for name in STEPS if STEPS[name].__name__ == "<lambda>"][:14]


def _change_held(held: Any, j: int) -> None:
    """Change a dict that was taken out earlier, or each of a list of them."""
    for info in [held] if isinstance(held, dict) else held:
        info["held"] = info.get("held", 0) + j
        if j % 2 and "img_info" in info:
            info["img_info"]["filename"] = f"held{j}"


@pytest.mark.parametrize("seed", range(80))
def test_any_use_of_data_infos_is_that_of_a_list(
    source: ImageList, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    infos, old = source.data_infos, old_infos(tmp_path / "l.txt", str(tmp_path))
    held: list[tuple[Any, Any]] = []
    for step in range(25):
        if not old or len(old) > 60:
            break
        name = dice.choice(READ if step < seed % 20 else list(STEPS))  # an arrays' life first
        i, j = dice.randrange(len(old)), dice.randrange(len(old))
        pair = STEPS[name](infos, i, j), STEPS[name](old, i, j)
        assert pair[0] == pair[1], name
        if pair[1] and dice.random() < 0.6:
            held.append(pair)
        if held and dice.random() < 0.4:
            for one in dice.choice(held):
                _change_held(one, j)
        if held and dice.random() < 0.2:
            held.pop(dice.randrange(len(held)))
        assert list(infos) == old, name
        assert all(a == b for a, b in held), name
        same = [[a is b for b in old] for a in old]
        again = list(infos)
        assert [[a is b for b in again] for a in again] == same, name
    assert pickle.loads(pickle.dumps(infos)) == old


def test_classes_are_renumbered_as_one_by_one(source: ImageList, tmp_path: Path) -> None:
    before = source.get_gt_labels()
    source.use_classes(["c", "x", "a", "b"], "here", "there")
    assert isinstance(source.data_infos, ImageTable)
    assert source.get_gt_labels().tolist() == [[2, 3, 0][label] for label in before]
    (tmp_path / "m.csv").write_text("image,a,b\nx.jpg,1,0\ny.jpg,1,1\n")
    several = ImageList(str(tmp_path), ann_file=str(tmp_path / "m.csv"), multi_label=True)
    several.use_classes(["b", "c", "a"], "here", "there")
    assert several.get_gt_labels().tolist() == [[0, 0, 1], [1, 0, 1]]


def test_repeated_images_are_reported_as_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["a.jpg 1", "b.jpg 0", "a.jpg 1", "c.jpg 0", "b.jpg 1", "a.jpg 1"]
    (tmp_path / "l.txt").write_text("\n".join(names))
    with caplog.at_level(logging.WARNING, "mmselfsup"):
        ImageNet(str(tmp_path), ann_file=str(tmp_path / "l.txt"))
    assert (
        "3 of 6 lines repeat an image that was listed before, such as 'b.jpg' (lines 2 and 5, with "
        "the labels 0 and 1)" in caplog.text
    )


def test_samples_of_folders(tmp_path: Path) -> None:
    for name in ("x/1.jpg", "x/2.jpg", "y/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    source = ImageNet(str(tmp_path))
    assert source.samples == [("x/1.jpg", 0), ("x/2.jpg", 0), ("y/3.jpg", 1)]
    assert source.samples[1:] == [("x/2.jpg", 0), ("y/3.jpg", 1)]
    source.use_classes(["y", "x"], "here", "there")
    assert source.samples[0] == ("x/1.jpg", 1)
    assert source.folder_to_idx == {"x": 1, "y": 0}


def test_packed_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmselfsup.datasets.data_sources.packed._AT_ONCE", 5)
    dice = random.Random(0)
    words = ["", "a", "ä", "ab", "a\udc80", "日本", "x" * 50]
    strings = [*dice.choices(words, k=23), "only one"]
    packed = PackedStrings.of(strings)
    assert packed == strings
    assert [packed[i] for i in range(-24, 24)] == strings * 2
    rows = np.array([3, 3, 23, 0, 7, 5, 1, 22])
    assert packed.take(rows) == [strings[row] for row in rows]
    assert packed[::-2] == strings[::-2]
    again = [i for i, word in enumerate(strings) if strings.count(word) > 1]
    assert packed.repeated().tolist() == again
    assert pack([Entry("a", 1, 0), Entry("b", [1], 0)]) is None
    assert pack([Entry("\ud800", 1, 0)]) is None


def test_a_million_images_take_few_bytes_each(tmp_path: Path) -> None:
    names = [f"n{i % 97:08d}/n{i % 97:08d}_{i}.JPEG" for i in range(20_000)]
    (tmp_path / "l.txt").write_text("".join(f"{n} {i % 1000}\n" for i, n in enumerate(names)))
    infos: Any = ImageNet(str(tmp_path), ann_file=str(tmp_path / "l.txt")).data_infos
    arrays = infos._entries.names.data, infos._entries.names.bounds, infos._entries.labels
    assert sum(array.nbytes for array in arrays) <= sum(map(len, names)) + 7 * len(names)
    assert infos._entries.lines == range(1, 20_001)


def test_hashed_strings_know_what_they_hold() -> None:
    names = [f"folder/{i * i}.jpg" for i in range(9000)]
    held = HashedStrings(iter(names))
    assert len(held) == 9000
    assert names[17] in held
    assert "other" not in held
    assert list(held.outside(["x", names[3], ""])) == [(0, "x"), (2, "")]
    assert list(held.inside(["x", *names])) == [(i + 1, name) for i, name in enumerate(names)]
    assert list(HashedStrings([]).outside(["x"])) == [(0, "x")]


def test_strings_are_found_by_name_and_not_by_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PackedStrings.of(["b", "a", "ccc", "a", ""])
    wanted = PackedStrings.of(["a", "x", "", "ccc", "b"])
    assert packed.find(wanted).tolist() == [1, -1, 4, 2, 0]
    monkeypatch.setattr(PackedStrings, "hashes", lambda self: np.zeros(len(self), np.uint64))
    assert packed.find(PackedStrings.of(["b", "x"])).tolist() == [0, -1]  # all hashes are equal
    assert operator.add(packed, ["d"]) == ["b", "a", "ccc", "a", "", "d"]
    assert operator.add(["d"], packed) == ["d", "b", "a", "ccc", "a", ""]
    assert not packed.all_filled()
    assert wanted.take(np.array([0, 3])).all_filled()
