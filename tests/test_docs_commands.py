"""Command lines in the documentation name scripts, options and targets that exist.

Nothing is executed but ``--help``, which loads nothing heavy.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mmselfsup.cli import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^( *)(```|~~~)(\w*)[^\n]*\n(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
SHELLS = ("bash", "sh", "shell", "console")
IN_TEXT = re.compile(
    r"`((?:python3?|bash|make|mmselfsup|torchrun|\./\w+\.sh|tools/\S+\.(?:py|sh)) [^`\n]+)`"
)
SCRIPT = re.compile(
    r"(?:\./)?((?:(?:tools|scripts|benchmarks|tests)/[\w/.-]+|\.ci/run|train_SSL\w+)(?:\.py|\.sh)?)"
)
OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")
PASSED_ON = re.compile(r"arguments of (?:tools/)?([\w./]+\.py)")
ENDS = ("|", "||", "&&", ";", "&", ">", ">>", "2>", "<", ")", "do", "done")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the command lines of a page, in words; those joined by ``|`` or ``;`` one by one."""
    blocks = [body for _, _, language, body in FENCE.findall(text) if language in SHELLS]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    for line in [*lines, *IN_TEXT.findall(FENCE.sub("", text))]:
        words: list[str] = []
        for word in split(line.removeprefix("$ ")):
            if word in ENDS:
                yield words
                words = []
            else:
                words.append(word)
        yield words


def split(line: str) -> list[str]:
    """Return the words of a line as a shell does, without its comment."""
    reader = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    reader.whitespace_split = True
    try:
        return list(reader)
    except ValueError:  # a quote that ends on the next line
        return line.split()


@cache
def help_text(script: str, *before: str) -> str:
    """Return what a script prints for ``--help``."""
    run = [sys.executable] if script.endswith(".py") else ["bash"]
    done = subprocess.run(
        [*run, script, *before, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{script} --help: {done.stderr[-500:]}"
    return done.stdout


@cache
def options(script: str) -> frozenset[str]:
    """Return a script's own options, those of its subcommands and those that it passes on."""
    path = ROOT / script
    if path.suffix == ".py":
        text = help_text(script)
        subcommands = re.search(r"^positional arguments:\n  \{([\w,-]+)\}", text, re.MULTILINE)
        names = subcommands[1].split(",") if subcommands else []
        return frozenset(OPTION.findall(text + "".join(help_text(script, name) for name in names)))
    source = path.read_text(encoding="utf-8")
    found = set(OPTION.findall(help_text(script))) if "--help" in source else set()
    for target in PASSED_ON.findall(source):
        found |= options(next(f for f in tools() if f"/{f}".endswith(f"/{target}")))
    return frozenset(found)


@cache
def tools() -> tuple[str, ...]:
    """Return the Python scripts of ``tools/``, those nearest to its top first."""
    paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tools").rglob("*.py")]
    return tuple(sorted(paths, key=lambda path: (path.count("/"), path)))


@cache
def targets() -> frozenset[str]:
    """Return the targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([\w-]+):", text, re.MULTILINE))


def faults(words: list[str]) -> Iterator[str]:
    """Yield what does not exist in one command line."""
    while words and re.match(r"[A-Z_][A-Z_0-9]*=", words[0]):
        words = words[1:]
    if words[:1] == ["make"]:
        names = [word for word in words[1:] if re.fullmatch(r"[a-z][\w-]*", word)]
        yield from (f"make {name}" for name in names if name not in targets())
        return
    if words[:1] == ["mmselfsup"] and words[1:] and not words[1].startswith("-"):
        command = COMMANDS.get(words[1])
        if command is None:
            yield f"mmselfsup {words[1]}"
            return
        words = [command.tool, *words[2:]] if command.tool else []
    found = next((i for i, word in enumerate(words) if SCRIPT.fullmatch(word)), None)
    if found is None:
        return
    script = words[found].removeprefix("./")
    if not (ROOT / script).is_file():
        yield script
        return
    rest = words[found + 1 :]
    given = [word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)]
    # A test file's options are those of pytest.
    if given and "pytest" not in words[:found] and Path(script).suffix in (".py", ".sh"):
        known = options(script)
        yield from (f"{script} {name}" for name in given if name not in known)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [fault for words in commands(text) for fault in faults(words)] == []


def test_faults_are_found() -> None:
    text = (
        "Run `make nothing` or `make test ARGS=x`.\n\n```bash\n"
        "A=1 python tools/train.py CONFIG --seed 0 \\\n    --sede 1 | head --lines 3\n"
        "bash tools/dist_train.sh CONFIG 4 --auto-resume --resum x  # --comment\n"
        "mmselfsup predict a.pth photos --ouput x.csv; mmselfsup prdict a.pth photos\n"
        "python tools/trian.py && python tools/analysis_tools/analyze_logs.py plot_curve --keys a\n"
        "```\n"
    )
    assert [fault for words in commands(text) for fault in faults(words)] == [
        "tools/train.py --sede",
        "tools/dist_train.sh --resum",
        "tools/predict.py --ouput",
        "mmselfsup prdict",
        "tools/trian.py",
        "make nothing",
    ]
