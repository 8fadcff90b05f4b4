"""Which results.json the table finds: through links, beside bad ones, the newest of several."""

import os
from pathlib import Path

import pytest

from mmselfsup.study.report.statistics import FoundRuns, find_runs
from mmselfsup.study.report.sweep import make_overview, to_latex, write_page
from mmselfsup.utils.errors import UserError
from tests.study.test_sweep_report import run, write


def values(found: FoundRuns) -> list[float | None]:
    return [r.balanced_accuracy for group in found.groups for r in group.runs.values()]


def test_linked_folders_are_found_once(tmp_path: Path) -> None:
    root, disk = tmp_path / "work", tmp_path / "disk"
    write(root / "fold0_seed0", run("scratch", 0.4, 0))
    write(disk / "f1", run("scratch", 0.5, 1))
    write(disk / "f2.old-1", run("scratch", 0.6, 2))
    (root / "fold1_seed0").symlink_to(disk / "f1")
    (root / "fold0_again").symlink_to(root / "fold0_seed0")
    (root / "fold2_seed0").symlink_to(disk / "f2.old-1")  # moved aside
    (root / "fold0_seed0" / "loop").symlink_to(root)
    found = find_runs(root)
    assert values(found) == [0.4, 0.5]
    assert found.num_repeated == 0
    assert found.skipped == []


def make_bad(path: Path, kind: str) -> None:
    """Put something in the place of a results.json that can't be read as one."""
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "broken link":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        texts = {
            "binary": b"\xff\xfe\x00",
            "cut off": b'{"schema": 2,\n "stu',
            "nested": b"[" * 99999,
        }
        path.write_bytes(texts[kind])


BAD = ["folder", "broken link", "loop", "binary", "cut off", "nested"]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_left_out_with_a_line(tmp_path: Path, kind: str) -> None:
    make_bad(tmp_path / "bad" / "results.json", kind)
    with pytest.raises(UserError, match=r"bad/results\.json") as error:
        find_runs(tmp_path)
    assert "\n" not in str(error.value)
    write(tmp_path / "fold0", run("scratch", 0.4, 0))
    overview = make_overview(tmp_path)
    assert values(overview.found_runs) == [0.4]
    (line,) = [note for note in overview.notes() if note.startswith("Left out: ")]
    assert "bad/results.json" in line
    assert "\n" not in line


def test_the_newest_by_what_is_in_it(tmp_path: Path) -> None:
    for i, (folder, date) in enumerate(
        [("b", "2024-03-01T10:00:00+00:00"), ("a", "2024-03-01T09:00:00+00:00")]
    ):
        write(tmp_path / folder, run("scratch", 0.5 + i / 10, 0, made_by={"date": date}))
        os.utime(tmp_path / folder / "results.json", (i, i))  # a copy, in whatever order
    write(tmp_path / "c", run("scratch", 0.9, 0), date="2024-02-01")  # of an older version
    assert values(find_runs(tmp_path)) == [0.5]


def test_links_of_the_page_are_addresses(tmp_path: Path) -> None:
    write(tmp_path / "a #1?" / "50% é:", run("scratch", 0.4, 0))
    html = write_page(make_overview(tmp_path)).read_text(encoding="utf-8")
    assert 'href="a%20%231%3F/50%25%20%C3%A9%3A/report.html"' in html


def test_latex_of_every_special_letter(tmp_path: Path) -> None:
    write(tmp_path, run(r"a\b{c}$d~e^f&g%h_i#j<k>l|m", 0.4, 0))
    text = to_latex(make_overview(tmp_path))
    assert (
        r"a\textbackslash{}b\{c\}\$d\textasciitilde{}e\textasciicircum{}f\&g\%h\_i\#j"
        r"\textless{}k\textgreater{}l\textbar{}m" in text
    )
