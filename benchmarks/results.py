"""Results of the benchmarks: a JSON file for each script, and the table of all of them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pairs import ratio

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "en" / "benchmarks.md"
BEGIN, END = "<!-- table: made by make bench -->", "<!-- end of the table -->"


@dataclass
class Row:
    """One line of the table.

    Attributes:
        what: Name of the measurement.
        value: The ratio, or the number with its unit; wall time.
        spread: Lowest and highest round.
        cpu: The same of CPU time, for work in one process; it decides ``met``.
        wanted: The goal.
        met: Whether the goal was reached; None without a goal.
        details: Conditions of the measurement.
    """

    what: str
    value: str
    spread: str
    wanted: str
    met: bool | None
    details: str = ""
    cpu: str = ""


@dataclass
class Result:
    """All rows of one script."""

    script: str
    command: str
    rows: list[Row]
    versions: dict[str, str] = field(default_factory=dict)
    machine: str = ""
    date: str = ""


def machine() -> str:
    """Return processor, its vector instructions, cores and GPU of this machine.

    Processors of one name may differ by a factor of four in bfloat16.
    """
    model = platform.processor() or "unknown processor"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    from mmselfsup.utils.device import has_bfloat16

    vectors = torch.backends.cpu.get_cpu_capability()
    if has_bfloat16(torch.device("cpu")):
        vectors += " with bfloat16"
    return f"{model} ({vectors}), {os.cpu_count()} cores, {gpu}"


def ratio_row(
    what: str,
    slow: Sequence[Mapping[str, float]],
    fast: Sequence[Mapping[str, float]],
    goal: float | None,
    details: str = "",
    with_cpu: bool = True,
) -> Row:
    """Return a row of the ratio of the times of ``slow`` and ``fast``, at least ``goal``.

    CPU time decides where it covers all the work, as it excludes waiting for other processes. It
    does not cover the workers of a loader.
    """
    wall = ratio(slow, fast)
    cpu = ratio(slow, fast, "cpu")["median"] if with_cpu else None
    return Row(
        what,
        f"{wall['median']:.2f}x",
        f"{wall['low']:.2f} to {wall['high']:.2f}",
        "" if goal is None else f"{goal:g}x",
        None if goal is None else (wall["median"] if cpu is None else cpu) >= goal,
        details,
        "" if cpu is None else f"{cpu:.2f}x",
    )


def add_rounds(parser: argparse.ArgumentParser, default: int) -> None:
    """Add the option ``--rounds``."""
    text = "Measure this number of rounds (default: %(default)s)."
    parser.add_argument("--rounds", type=int, default=default, help=text)


def add_threads(parser: argparse.ArgumentParser, default: int) -> None:
    """Add the option ``--threads``."""
    text = "Use this number of threads (default: %(default)s)."
    parser.add_argument("--threads", type=int, default=default, help=text)


def add_quick(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--quick``."""
    text = "Use tiny settings to check that the script works; its numbers are not saved."
    parser.add_argument("--quick", action="store_true", help=text)


def save(
    script: str,
    command: str,
    rows: Sequence[Row],
    versions: dict[str, str],
    keep: bool = True,
    merge: bool = False,
) -> None:
    """Print the rows of a script; unless ``keep`` is False, save them and rewrite the table.

    With ``merge``, other rows that the same command gave on the same machine and with the same
    versions stay; the dates of both are stated.
    """
    for row in rows:
        cpu = f"; CPU time {row.cpu}" if row.cpu else ""
        wanted = f", wanted {row.wanted}" if row.wanted else ""
        print(f"{row.what}: {row.value} ({row.spread}){cpu}{wanted}; {row.details}")
    if not keep:
        print("quick: nothing is saved, these numbers mean nothing")
        return
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{script.replace(', ', '_')}.json"
    result = Result(script, command, list(rows), versions, machine(), time.strftime("%Y-%m-%d"))
    if merge and path.is_file():
        _merge(result, json.loads(path.read_text(encoding="utf-8")))
    write(path, json.dumps(asdict(result), indent=2) + "\n")
    write_table()


def write(path: Path, text: str) -> None:
    """Write a file completely or not at all: a run that is stopped leaves the old one."""
    from mmselfsup.utils.files import atomic_write_text  # scripts set the path after this import

    atomic_write_text(path, text)


def _merge(result: Result, known: dict[str, Any]) -> None:
    """Add the rows of an earlier run of the same command."""
    both = {**known["versions"], **result.versions}
    if (known["command"], known["machine"]) != (result.command, result.machine):
        return
    if any(both[name] != version for name, version in known["versions"].items()):
        return
    rows = {row["what"]: Row(**row) for row in known["rows"]}
    result.rows = list({**rows, **{row.what: row for row in result.rows}}.values())
    result.versions = both
    first = known["date"].split(" to ")[0]
    if first != result.date:
        result.date = f"{first} to {result.date}"


def write_table() -> None:
    """Write the table of all results into the page."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    paths = sorted(FOLDER.glob("*.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    # The costs of methods have a table of their own, in the model zoo.
    parts = [_section(result) for result in results if "rows" in result]
    write(PAGE, head + BEGIN + "\n\n" + "\n".join(parts) + "\n" + END + tail)


def _section(result: dict[str, Any]) -> str:
    """Return the Markdown section of one script."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        f"### `{result['script']}`",
        "",
        f"`{result['command']}`, {result['date']}; {result['machine']}; {versions}.",
        "",
        "| measured | wall time | lowest to highest | CPU time | wanted | reached | how |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        met = {True: "yes", False: "no", None: ""}[row["met"]]
        cells = [row[key] for key in ("what", "value", "spread", "cpu", "wanted")]
        lines.append("| " + " | ".join([*cells, met, row["details"]]) + " |")
    return "\n".join([*lines, ""])
