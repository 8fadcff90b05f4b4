"""report.html: whole, well-formed, with everything inside."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest

from mmselfsup.study.records import Results
from mmselfsup.study.report import page as page_module
from mmselfsup.study.report.html import Section
from mmselfsup.study.report.page import write_report
from mmselfsup.utils.errors import UserError
from tests.study.study_data import write_finished_study

TEMPLATES = sorted((Path(page_module.__file__).parent / "templates").glob("*.j2"))
VOID = {"meta", "img", "br", "link", "input", "hr", "use", "path"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def parse(path: Path) -> tuple[Page, str]:
    html = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page, html


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str]:
    """The report of a finished study, parsed and as text."""
    folder = tmp_path_factory.mktemp("study")
    write_finished_study(folder)
    (folder / "ssl" / "simclr" / "views.png").write_bytes(b"\x89PNG")
    return parse(write_report(folder))


def test_is_self_contained(page: tuple[Page, str]) -> None:
    parsed, html = page
    assert "http://" not in html
    assert "https://" not in html
    assert "url(" not in re.sub(r"url\(#\w+\)", "", html)  # clip paths inside the page
    for tag, attrs in parsed.tags:
        assert tag not in ("link", "script", "iframe")
        assert (attrs.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
        assert (attrs.get("href") or attrs.get("xlink:href") or "#").startswith("#")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_text_of_a_template_is_left_unfilled(path: Path) -> None:
    """``{{ a }}`` within a string of an expression is not filled in, but printed as it stands."""
    tree = jinja2.Environment().parse(path.read_text())
    for text in tree.find_all(jinja2.nodes.Const):
        assert "{{" not in str(text.value), f"line {text.lineno}"


def test_shows_every_figure_and_the_table(page: tuple[Page, str]) -> None:
    parsed, _ = page
    assert parsed.count("svg") == 1 + 2 + 4  # recalls, confusions, curves
    assert parsed.count("img") == 1
    for words in (
        "SimCLR pre-training helps",
        "Balanced accuracy",
        "0.03",
        "MEL (90)",
        "synthetic ones",
    ):
        assert words in parsed.text
    assert all(attrs.get("aria-label") for tag, attrs in parsed.tags if tag == "svg")


def test_ids_do_not_collide(page: tuple[Page, str]) -> None:
    ids = [attrs["id"] for _, attrs in page[0].tags if attrs.get("id")]
    assert len(ids) == len(set(ids))


def test_colours_follow_the_scheme(page: tuple[Page, str]) -> None:
    html = page[1]
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    for drawing in re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL):
        assert "var(--" in drawing
        assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", drawing)


def test_several_pretrainings_are_rows_of_one_table(tmp_path: Path) -> None:
    arms = {"scratch": 1.0, "simclr": 1.9, "byol": 1.5, "relative_loc+odc": 1.2}
    write_finished_study(tmp_path, arms)
    parsed, html = parse(write_report(tmp_path))
    for words in (
        "SimCLR, BYOL and Relative location → ODC",
        "BYOL pre-training helps",
        "by chance",
    ):
        assert words in parsed.text
    assert parsed.count("svg") == 1 + 4 + 3 + 3  # recalls, confusions, losses, other curves
    for number in (1, 2, 3):
        assert f"background: var(--ssl-{number})" in html


def test_says_by_how_much_a_pretraining_moved_its_start_weights(finished_study: Path) -> None:
    (log,) = (finished_study / "ssl" / "simclr").glob("*.log.json")
    scores = {0: (0.41, 0.5), 5: (0.52, 0.625), 10: (0.38, 0.6)}  # (k-NN, probe)
    lines = [
        {"mode": "val", "epoch": epoch, "iter": 7, "lr": 0.03,
         "knn_balanced_accuracy": knn, "probe_balanced_accuracy": probe}
        for epoch, (knn, probe) in scores.items()
    ]  # fmt: skip
    log.write_text(log.read_text() + "".join(json.dumps(line) + "\n" for line in lines))
    parsed, _ = parse(write_report(finished_study))
    text = " ".join(parsed.text.split())
    assert "What the pre-training made of its start weights" in text
    assert "k-NN0.4100.380-0.030 (worse than its start)0.520 (5)" in text
    assert "linear probe0.5000.600+0.1000.625 (5)" in text
    assert "Frozen features during the SimCLR pre-training; epoch 0 is the start" in text


def test_without_a_monitor_there_is_no_such_table(page: tuple[Page, str]) -> None:
    assert "start weights" not in page[0].text


def test_text_of_others_is_escaped(page: tuple[Page, str]) -> None:
    assert "name = '<b>'" in page[0].text
    assert page[0].count("b") == 0


def test_without_logs_and_search_there_is_still_a_report(finished_study: Path) -> None:
    for log in finished_study.rglob("*.log.json"):
        log.unlink()
    parsed, _ = parse(write_report(finished_study))
    assert parsed.count("svg") == 3
    assert parsed.count("img") == 0


def test_a_section_is_one_entry(finished_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page knows its sections by nothing but the tuple: one without content, one of others."""

    def empty(study_dir: Path, results: Results) -> None:
        assert study_dir == finished_study
        assert results.study.seed == 0

    def own(study_dir: Path, results: Results) -> Section:
        context = {"reason": "<why>", "rows": [], "explanation": "how"}
        return Section("curriculum.html.j2", context, "occlusion.css")

    monkeypatch.setattr(page_module, "SECTIONS", (empty, own))
    parsed, html = parse(write_report(finished_study))
    assert parsed.count("section") == 1
    assert "<why>" in parsed.text
    assert html.count(".explain {") == 1
    assert ".features" not in html


def test_without_results_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the study first"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
