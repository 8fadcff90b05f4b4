"""Few labelled images: whole lesions, each class with its part, nested."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.config.load import load_config
from mmselfsup.isic.label_subset import choose_lesions, write_subsets
from mmselfsup.utils.errors import UserError
from tests.tools.command import ROOT, run_tool

CONFIGS = ROOT / "configs" / "benchmarks" / "classification" / "isic2019"


def lesions(num: int = 3000) -> tuple[list[int], list[str]]:
    """Labels of 8 classes, the last rare, and lesions with one to several images."""
    rng = np.random.default_rng(0)
    labels, groups = [], []
    for lesion in range(num):
        label = 7 if lesion % 500 == 0 else int(rng.integers(0, 7))
        for _ in range(int(rng.integers(1, 4))):
            labels.append(label)
            groups.append(f"lesion {lesion}")
    return labels, groups


def test_whole_lesions_in_every_class() -> None:
    labels, groups = lesions()
    sizes = Counter(labels)
    sets = {p: choose_lesions(labels, groups, p) for p in (1, 10, 100)}
    assert all(sets[100])
    assert all(b or not a for a, b in zip(sets[1], sets[10], strict=True))  # nested
    for percent in (1, 10):
        chosen = sets[percent]
        kept = {group for group, keep in zip(groups, chosen, strict=True) if keep}
        assert [group in kept for group in groups] == chosen
        counts = Counter(label for label, keep in zip(labels, chosen, strict=True) if keep)
        for label, size in sizes.items():
            assert max(1, percent / 100 * size) <= counts[label] <= percent / 100 * size + 3


def test_a_class_whose_lesions_count_for_a_rarer_one() -> None:
    """As in a table of patients, where each with a melanoma also has naevi."""
    labels, groups = [], []
    for patient in range(40):  # two have naevi, and one of them warts
        own = [0, *[1] * 45 * (patient < 2), *[2] * 200 * (patient == 1)]
        labels += own
        groups += [f"patient {patient}"] * len(own)
    labels, groups = [*labels, 2, 2], [*groups, "other 0", "other 1"]
    sizes, before = Counter(labels), [False] * len(labels)
    for percent in (1, 10, 50, 90, 100):
        chosen = choose_lesions(labels, groups, percent)
        assert all(b or not a for a, b in zip(before, chosen, strict=True))  # nested
        counts = Counter(label for label, keep in zip(labels, chosen, strict=True) if keep)
        for label, size in sizes.items():
            assert counts[label] >= max(1, percent / 100 * size)
        before = chosen


def test_draw_depends_on_ids_and_seed_alone() -> None:
    labels, groups = lesions(300)
    chosen = choose_lesions(labels, groups, 10)
    backwards = choose_lesions(labels[::-1], groups[::-1], 10)
    assert backwards[::-1] == chosen
    assert choose_lesions(labels, groups, 10, seed=1) != chosen
    with pytest.raises(UserError, match="percent=0: give a number above 0"):
        choose_lesions(labels, groups, 0)


def test_lists(tmp_path: Path) -> None:
    labels, groups = lesions(400)
    names = [f"ISIC_{number:07d}" for number in range(len(labels))]
    path, csv = tmp_path / "train_fold0.txt", tmp_path / "metadata.csv"
    lines = [f"{name}.jpg {label}\n" for name, label in zip(names, labels, strict=True)]
    path.write_text("".join(lines))
    rows = [f"{name},{group}\n" for name, group in zip(names, groups, strict=True)]
    csv.write_text("image,lesion_id\n" + "".join(rows))
    argv = ["--list", str(path), "--metadata", str(csv)]
    done = run_tool("isic2019/make_label_subsets.py", *argv, folder=tmp_path)
    assert done.code == 0, done.text
    few, more = (set((tmp_path / f"train_fold0_{p}pct.txt").read_text().splitlines(True))
                 for p in (1, 10))  # fmt: skip
    assert few < more < set(lines)
    assert f"train_fold0_10pct.txt: {len(more)} images" in done.text
    path.write_text("a.jpg\n")
    with pytest.raises(UserError, match="every line needs one label"):
        write_subsets(str(path), str(csv), [1])


def test_images_of_equal_names_in_two_folders(tmp_path: Path) -> None:
    """As in a data set with a folder for each patient, whose files are numbered from 0."""
    names = [f"p{patient}/{number}.jpg" for patient in range(20) for number in range(2)]
    (tmp_path / "list.txt").write_text("".join(f"{name} 0\n" for name in names))
    (tmp_path / "groups.csv").write_text(
        "image,lesion_id\n" + "".join(f"{name},{name[:-6]}\n" for name in names)
    )
    arguments = str(tmp_path / "list.txt"), str(tmp_path / "groups.csv")
    for rows in write_subsets(*arguments, [50]).values():
        chosen = Counter(row.name.partition("/")[0] for row in rows)
        assert sorted(chosen.values()) == [2] * 10  # whole patients
    (tmp_path / "groups.csv").write_text("image,lesion_id\nother,p\n")
    for rows in write_subsets(*arguments, [50]).values():
        assert len(rows) == 20  # each image is one of its own


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*pct.py")), ids=lambda path: path.stem)
def test_configs_read_the_lists(path: Path) -> None:
    cfg = load_config(str(path))
    part = path.stem.rpartition("-")[2]
    assert cfg.data.train.data_source.ann_file.endswith(f"ISIC_2019_subtrain_fold0_{part}.txt")
    assert cfg.data.val.data_source.ann_file.endswith("ISIC_2019_val_fold0.txt")
    assert f"-{cfg.runner.max_epochs}e_" in path.name
