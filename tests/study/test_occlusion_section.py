"""What an explanation keeps in files, and what results and report show of it."""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmselfsup.evaluation.explanation_files import (
    AS_IS,
    HIDDEN,
    ONLY,
    Case,
    Explanation,
    OcclusionScores,
    ViewScore,
    read_explanation,
    write_explanation,
)
from mmselfsup.evaluation.occlusion import cached_arrays
from mmselfsup.study.records import read_results
from mmselfsup.study.report.occlusion_section import interpretation
from mmselfsup.study.report.page import write_report
from mmselfsup.utils.errors import UserError


def test_arrays_are_made_once_for_an_origin(tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, NDArray[Any]]:
        made.append(1)
        return {"a": np.arange(3)}

    for origin, count in (({"x": "1"}, 1), ({"x": "1"}, 1), ({"x": "2"}, 2)):
        np.testing.assert_array_equal(
            cached_arrays(tmp_path / "a.npz", origin, make)["a"], np.arange(3)
        )
        assert len(made) == count
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    assert set(cached_arrays(tmp_path / "a.npz", {"x": "2"}, make)) == {"a"}
    assert len(made) == 3


def view(value: float, half: float = 0.05) -> ViewScore:
    return ViewScore(value, value - half, value + half, value, value - half, value + half)


NUMBERS = OcclusionScores(
    {AS_IS: view(0.525), HIDDEN: view(0.225), ONLY: view(0.425)}, 0.125, 0.5, 400, 20, 0.25, True
)


@pytest.mark.parametrize(
    ("whole", "hidden", "words"),
    [
        (0.525, 0.225, "SimCLR keeps 25% of its lead over chance with the lesion hidden"),
        (0.525, 0.17, "no longer surely better than chance"),
        (0.17, 0.17, "hiding shows nothing"),
    ],
)
def test_the_interpretation_says_what_the_intervals_allow(
    whole: float, hidden: float, words: str
) -> None:
    views = {**NUMBERS.views, AS_IS: view(whole), HIDDEN: view(hidden)}
    text = interpretation("SimCLR", replace(NUMBERS, views=views))
    assert words in text
    assert ("From the lesion alone it has 75% of the lead." in text) == (whole > 0.2)


def make_explanation(folder: Path, no_heat: str = "") -> Explanation:
    """Write an explanation with a right and a wrong image; a picture of the latter is missing."""
    heat = None if no_heat else "h.webp"
    cases = [
        Case("a.jpg", 1, 1, 0.75, 0.75, "p.webp", heat),
        Case("b.jpg", 0, 1, 0.5, 0.25, "gone.webp", heat),
    ]
    places = [] if no_heat else [2, 3]
    found = Explanation(["MEL", "<NV>"], 0, NUMBERS, cases, places, no_heat)
    write_explanation(folder, found)
    (folder / "pictures").mkdir(parents=True)
    for name in ("pictures/p.webp", "pictures/h.webp", "masks.webp"):
        Image.new("RGB", (8, 8)).save(folder / name)
    return found


def test_an_explanation_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_explanation(tmp_path) is None
    made = make_explanation(tmp_path)
    assert read_explanation(tmp_path) == made


def test_a_damaged_explanation_is_refused(finished_study: Path) -> None:
    folder = finished_study / "finetune" / "simclr" / "explain"
    make_explanation(folder)
    text = (folder / "explain.json").read_text()
    for broken in (text[:-40], text.replace('"chance"', '"luck"'), "[]"):
        (folder / "explain.json").write_text(broken)
        with pytest.raises(UserError, match=r"explain.json: can't read this.*delete the folder"):
            write_report(finished_study)


def test_results_carry_the_numbers_and_old_ones_have_none(finished_study: Path) -> None:
    path = finished_study / "results.json"
    results = read_results(path)
    assert [run.blackout for run in results.runs] == [None, None]
    runs = [replace(run, blackout=NUMBERS) for run in results.runs]
    replace(results, runs=runs).write(path)
    assert read_results(path).runs == runs
    path.write_text(path.read_text().replace('"covered"', '"coloured"'))
    with pytest.raises(UserError, match=r"no results\.json"):
        read_results(path)
    assert asdict(NUMBERS)["views"][HIDDEN]["accuracy"] == 0.225


def test_the_report_shows_numbers_masks_and_heat_maps(finished_study: Path) -> None:
    for arm in ("scratch", "simclr"):
        make_explanation(finished_study / "finetune" / arm / "explain")
    html = write_report(finished_study).read_text(encoding="utf-8")
    section = html[html.index('<section class="explain">') :]
    section = section[: section.index("</section>")]
    assert section.count("keeps 25% of its lead") == 2
    assert "From scratch keeps" in section
    assert section.count("lesion hidden</th>") == 2
    assert section.count("0.225 <small>0.17–0.28</small>") + section.count("0.225 <small>0.18") == 4
    assert re.search(r"without looking</th><td>0\.125</td><td>0\.500</td>", section)
    assert "20 of 400" in section
    assert section.count("data:image/webp;base64,") == 1 + 2 * 3  # masks once; one picture is gone
    assert section.count("The last stage has 2 × 3 places") == 2
    assert section.count('class="case right"') == section.count('class="case wrong"') == 2
    assert "&lt;NV&gt;</b> 0.50, MEL 0.25" in section
    assert "<NV>" not in html
    assert not re.search(r'(src|href)="(?!data:|#)', section)


def test_the_report_says_why_there_are_no_heat_maps(finished_study: Path) -> None:
    folder = finished_study / "finetune" / "simclr" / "explain"
    make_explanation(folder, "the last stage gives no map")
    html = write_report(finished_study).read_text(encoding="utf-8")
    assert "the last stage gives no map." in html
    assert html.count('class="case right"') == 1


def test_without_an_explanation_the_report_has_none(finished_study: Path) -> None:
    assert "explain" not in write_report(finished_study).read_text(encoding="utf-8")
