"""Command lines in the documentation name scripts, options and targets that exist.

Those of ``tools/`` are read by the tool's own parser. Nothing is executed but that, and ``--help``:
neither loads anything heavy.
"""

import argparse
import inspect
import io
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from mmselfsup.cli import COMMANDS
from mmselfsup.study.cli import make_parser
from mmselfsup.utils.errors import UserError

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
PAGES = [
    page for page in DOCS if page.name not in ("changelog.md", "benchmarks.md", "reliability.md")
]
#: Options of other programs that pages name alone: docker, pip, sbatch.
FOREIGN = {"--shm-size", "--build-constraint", "--signal"}
STUDIES = ("tools/run_study.py", "tools/isic2019/run_study.py")
TASKS = ("plot_curve", "cal_train_time")
_OPEN = {"...", "$@"}  # words for others that are not shown
# What a parser says of words that it does not know, and of a command that can't be run as it is.
# A value such as $SEED is no number yet.
_UNKNOWN_WORDS = "unrecognized|invalid choice|ambiguous"
_WRONG_WORDS = rf"{_UNKNOWN_WORDS}|required|expected|invalid .* value: '[^$]"
ENDS = ("|", "||", "&&", ";", "&", ">", ">>", "2>", "<", ")", "do", "done")


def commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield the command lines of a page, in words, and whether they are whole.

    Those joined by ``|`` or ``;`` come one by one. A sentence may name a part of a command.
    """
    blocks = [body for _, _, language, body in FENCE.findall(text) if language in SHELLS]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    named = IN_TEXT.findall(FENCE.sub("", text))
    for line, whole in [*((line, True) for line in lines), *((line, False) for line in named)]:
        words: list[str] = []
        for word in split(line.removeprefix("$ ")):
            if word in ENDS:
                yield words, whole
                words = []
            else:
                words.append(word)
        yield words, whole


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


def parse(script: str, words: Sequence[str]) -> str:
    """Read a command line as a tool does; return what its parser says is wrong, or prints."""

    def error(self: argparse.ArgumentParser, message: str) -> NoReturn:
        raise UserError(message)

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(argparse.ArgumentParser, "error", error)
        patch.setattr(sys, "argv", [script, *words])
        patch.setattr(sys, "path", [*sys.path])  # tools add to it
        read = runpy.run_path(str(ROOT / script), run_name="not the program").get("parse_args")
        rest = list(words)
        try:
            if read is not None:
                found = read(rest) if inspect.signature(read).parameters else read()
                rest = found[1] if isinstance(found, tuple) else []
            if script in STUDIES:
                make_parser(script).parse_intermixed_args(rest)
        except UserError as fault:
            return str(fault)
        except SystemExit:  # --help
            pass
    return printed.getvalue()


@cache
def targets() -> frozenset[str]:
    """Return the targets of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([\w-]+):", text, re.MULTILINE))


def faults(words: list[str], whole: bool = True) -> Iterator[str]:
    """Yield what does not exist in one command line, or what a whole one lacks."""
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
    if script in tools():
        fault = "" if "--help" in rest else parse(script, rest)
        if re.search(_WRONG_WORDS if whole and not _OPEN & {*rest} else _UNKNOWN_WORDS, fault):
            yield f"{script}: {fault}"
        return
    given = [word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)]
    # A test file's options are those of pytest.
    if given and "pytest" not in words[:found] and Path(script).suffix in (".py", ".sh"):
        known = options(script)
        yield from (f"{script} {name}" for name in given if name not in known)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [fault for line in commands(text) for fault in faults(*line)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_options_that_a_sentence_names_exist(page: Path) -> None:
    spans = re.findall(r"`(--[^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))
    named = {name.replace("_", "-") for span in spans for name in OPTION.findall(span)}
    assert named - all_options() - FOREIGN == set()


@cache
def all_options() -> frozenset[str]:
    """Return the options of all tools and of the study's script, with ``-`` between words."""
    texts = [parse(tool, ["--help"]) for tool in tools() if "svm_helper" not in tool]
    logs = [parse("tools/analysis_tools/analyze_logs.py", [task, "--help"]) for task in TASKS]
    texts += [*logs, *(script.read_text(encoding="utf-8") for script in ROOT.glob("*.sh"))]
    return frozenset(name.replace("_", "-") for text in texts for name in OPTION.findall(text))


def test_faults_are_found() -> None:
    text = (
        "Run `make nothing` or `make test ARGS=x`.\n\n```bash\n"
        "A=1 python tools/train.py CONFIG --seed 0 \\\n    --sede 1 | head --lines 3\n"
        "bash tools/dist_train.sh CONFIG 4 --auto-resume --resum x  # --comment\n"
        "mmselfsup predict a.pth photos --ouput x.csv; mmselfsup prdict a.pth photos\n"
        "python tools/trian.py && python tools/analysis_tools/analyze_logs.py plot_curve a "
        "--kex b\n"
        "python tools/train.py CONFIG --seed; python tools/train.py CONFIG --seed x --launcher x\n"
        "python tools/train.py CONFIG --seed $SEED; "
        "python tools/run_study.py --demo --keep all --keep\n"
        "```\n"
    )
    assert [fault for line in commands(text) for fault in faults(*line)] == [
        "tools/train.py: unrecognized arguments: --sede 1",
        "tools/dist_train.sh --resum",
        "tools/predict.py: the following arguments are required: --out",
        "mmselfsup prdict",
        "tools/trian.py",
        "tools/analysis_tools/analyze_logs.py: unrecognized arguments: --kex b",
        "tools/train.py: argument --seed: expected one argument",
        "tools/train.py: argument --seed: invalid int value: 'x'",
        "tools/run_study.py: argument --keep: expected one argument; tools/run_study.py --help "
        "lists the arguments",
        "make nothing",
    ]
