"""Files, links and anchors that the documentation names exist.

After a file has moved, this test names the pages that still show its old path.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from tests.test_layers import ORDER

ROOT = Path(__file__).parents[1]
DOCS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
DESIGN = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/en/design").rglob("*.md"))]

# A path is relative to one of these folders.
BASES = [ROOT, ROOT / "mmselfsup"]
FOLDERS = ("benchmarks", "configs", "docs", "mmselfsup", "scripts", "tests", "tools")
SUFFIXES = (".py", ".md", ".sh", ".toml", ".j2", ".css")

FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
IN_TEXT = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./{{}},-]+\.(?:py|sh|md)\b")


def label(path: Path) -> str:
    """Return the name of a page in the list of tests."""
    return path.relative_to(ROOT).as_posix()


@cache
def files() -> list[str]:
    """Return all files of the repository's folders, and those of its root."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    paths = [*ROOT.glob("*.*"), *inside]
    return [label(path) for path in paths if path.is_file()]


def without_fences(text: str) -> str:
    """Return a page without its blocks of code, whose ``#`` are no headings."""
    return FENCE.sub("", text)


def alternatives(path: str) -> list[str]:
    """Return the paths of a text such as ``a/{b,c}.py``."""
    parts = re.split(r"\{([^}]*)\}", path)
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(choice) for choice in product(*choices)]


def looks_like_a_path(code: str) -> bool:
    """Return whether code in backquotes is a file or a folder of the repository, not a pattern."""
    if re.search(r"[\s<>*$=():]|\.\.\.", code) or code.startswith(("-", "/", ".")):
        return False
    return code.endswith(SUFFIXES) or (
        code.endswith("/") and (code.split("/")[0] in FOLDERS or code.count("/") > 1)
    )


def missing_paths(text: str) -> list[str]:
    """Return the paths in backquotes that are in none of the folders ``BASES``."""
    return [
        path
        for code in CODE.findall(without_fences(text))
        if looks_like_a_path(code)
        for path in alternatives(code)
        if not any((base / path).exists() for base in BASES)
    ]


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    found: set[str] = set()
    for heading in HEADING.findall(without_fences(page.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        repeated = sum(anchor == slug or anchor.startswith(f"{slug}-") for anchor in found)
        found.add(f"{slug}-{repeated}" if slug in found else slug)
    return found


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield the links of a page whose file or anchor does not exist; a folder is no file."""
    for link in LINK.findall(without_fences(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        # A site has no page for a folder.
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", DESIGN, ids=label)
def test_design_names_existing_files(page: Path) -> None:
    assert missing_paths(page.read_text(encoding="utf-8")) == []


def test_design_lists_the_rooms_in_their_order() -> None:
    text = (ROOT / "docs/en/design/README.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `mmselfsup/(\w+)/` \|", text, re.MULTILINE)
    assert rooms == [room for row in ORDER for room in row]


@pytest.mark.parametrize("page", DOCS, ids=label)
def test_links_lead_to_files_and_anchors(page: Path) -> None:
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", DOCS, ids=label)
def test_files_in_text_and_commands_exist(page: Path) -> None:
    names = IN_TEXT.findall(page.read_text(encoding="utf-8"))
    paths = [path for name in names for path in alternatives(name)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", DOCS, ids=label)
def test_names_of_files_exist(page: Path) -> None:
    """A file in backquotes may be named without its folder, such as a config of a method's page."""
    codes = CODE.findall(without_fences(page.read_text(encoding="utf-8")))
    names = [path for code in codes if looks_like_a_path(code) for path in alternatives(code)]
    assert [
        name
        for name in names
        if not name.endswith("/") and not any(f"/{file}".endswith(f"/{name}") for file in files())
    ] == []


@pytest.mark.parametrize("page", DOCS, ids=label)
def test_names_of_folders_exist(page: Path) -> None:
    codes = CODE.findall(without_fences(page.read_text(encoding="utf-8")))
    names = [code for code in codes if code.endswith("/") and looks_like_a_path(code)]
    in_wheel = "mmselfsup/.mim/"
    assert [
        name
        for name in names
        if name.split("/")[0] in FOLDERS and name != in_wheel and not (ROOT / name).is_dir()
    ] == []


@pytest.mark.parametrize("page", DOCS, ids=label)
def test_link_texts_name_their_file(page: Path) -> None:
    """A link ``[``models/x.py``](../y.py)`` says one file and opens another."""
    links = re.findall(r"\[`([^`\]]+\.(?:py|md))`\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))
    assert [(text, file) for text, file in links if not file.endswith(text)] == []


def test_questions_quote_messages_that_exist() -> None:
    """The headings of the FAQ quote errors; ``...`` stands for what differs."""
    page = (ROOT / "docs/en/faq.md").read_text(encoding="utf-8")
    quoted = [
        part.strip("`(): ;")
        for heading in re.findall(r"^### (.*)$", page, re.MULTILINE)
        for code in CODE.findall(heading)
        for part in code.split("...")
    ]
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "mmselfsup").rglob("*.py"))
    source = re.sub(r"""["']\s*f?["']""", "", source)  # a message over several lines
    assert [part for part in quoted if part not in source] == []
    assert sum(len(part) > 10 for part in quoted) > 10


def test_faults_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "# A `b`: c\n\n```\n# no heading\n```\n[x](#a-b-c) [y](#no-heading) [z](other.md)\n"
    page.write_text(text, encoding="utf-8")
    assert list(broken_links(page, text)) == ["#no-heading", "other.md"]
    assert missing_paths("`utils/dist.py`, `utils/{dist,no}.py`, `tests/<room>/x.py`, `a.b`") == [
        "utils/no.py"
    ]
