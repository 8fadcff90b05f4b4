"""Change the code in small ways and see whether a test fails: ``make mutation``.

1. The tests run once with coverage, which says for each line which tests reach it.
2. A seeded sample of the places that cosmic-ray's operators can change is drawn; each place counts
   once, whatever the number of its variants. Left out are annotations, and ``is`` for ``==``.
3. Each mutant is tried with the tests that reach its statement, the quickest first, until one
   fails. One that no test notices has survived.

All of this happens in clones of the last commit: the files of the checkout are never changed. The
processes are forks of this one, which has loaded the packages: most of a trial is testing. The
exit code is 0 also if mutants survive: what a survivor means is for a reader to say.
"""

import argparse
import ast
import contextlib
import difflib
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

os.environ.update(
    OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", CUDA_VISIBLE_DEVICES=""
)

import coverage
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[2]
#: What is changed: of the study all but the pages of the report.
MODULES = (
    "mmselfsup/models/**/*.py", "mmselfsup/core/**/*.py", "mmselfsup/study/*.py",
    "mmselfsup/study/stages/*.py", "mmselfsup/study/report/statistics.py",
)  # fmt: skip
#: The tests that reach these modules.
TESTS = (
    "models", "numerics", "hooks", "optimizer", "runner", "checkpoint", "study", "distributed",
    "contract", "resume", "apis", "evaluation",
)  # fmt: skip
PRELOADED = (
    "hypothesis", "matplotlib.pyplot", "mmcls.models", "mmcv.runner", "pandas", "scipy.stats",
    "sklearn.metrics", "torch", "torchvision.transforms",
)  # fmt: skip
COVERAGE = """\
[run]
parallel = true
relative_files = true
source = mmselfsup
patch = subprocess,_exit
concurrency = thread,multiprocessing
context = ${{PYTEST_CURRENT_TEST-}}
data_file = {data}
"""
_SECONDS = re.compile(r"^([\d.]+)s (?:setup|call|teardown) +(\S.*)$", re.MULTILINE)
_CONTEXT = re.compile(r"^(.*?)(?:\|| \()(setup|run|call|teardown)\)?$")


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    Attributes:
        file: Path of the module, relative to the repository.
        operator: Name of cosmic-ray's operator.
        occurrence: Which of the places in the module that the operator can change.
        start: First line and column.
        end: Last line and column.
    """

    file: str
    operator: str
    occurrence: int
    start: tuple[int, int]
    end: tuple[int, int]

    def apply(self, source: str) -> str:
        """Return the source with the change."""
        changed = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        assert changed is not None, self
        return str(changed)


@dataclass
class Trial:
    """What became of a mutant.

    Attributes:
        mutant: The mutant.
        outcome: ``killed``, ``survived``, ``timeout``, ``unreached`` (by any test), ``invalid`` (no
            Python) or ``error`` (of pytest).
        tests: Number of tests that were to run.
        left_out: Number of tests that reach the place, but were too slow.
        seconds: Seconds that it took.
        diff: The change.
        output: End of what pytest printed.
    """

    mutant: Mutant
    outcome: str
    tests: int
    left_out: int
    seconds: float = 0.0
    diff: str = ""
    output: str = field(default="", repr=False)


# Which tests reach a line -------------------------------------------------------------------------


class Reach:
    """The tests that reach a statement, and how long each takes.

    Args:
        data: Coverage's file, with the tests as contexts.
        log: What pytest printed, with the durations of all tests.
    """

    def __init__(self, data: Path, log: Path) -> None:
        self.data = coverage.CoverageData(str(data))
        self.data.read()
        self.seconds: Counter[str] = Counter()
        for seconds, test in _SECONDS.findall(log.read_text()):
            self.seconds[test] += float(seconds)
        self.by_file: dict[str, list[str]] = {}
        for test in self.seconds:
            self.by_file.setdefault(test.partition("::")[0], []).append(test)

    def tests(self, file: str, source: str, mutant: Mutant) -> list[str]:
        """Return the tests that reach a mutant, the quickest first.

        A statement that runs at import (a default value, a constant of a class) is reached by the
        tests of what stands around it: the function, the class, the module.
        """
        lines = self.data.contexts_by_lineno(file)
        for first, last in ranges(source, mutant.start[0], mutant.end[0]):
            names = {name for n in range(first, last + 1) for name in lines.get(n, ())}
            found = {test for name in names for test in self._of_context(name)}
            if found:
                return sorted(found, key=lambda test: (self.seconds[test], test))
        return []

    def _of_context(self, name: str) -> list[str]:
        match = _CONTEXT.match(name)
        if not match:
            return []
        test, phase = match.groups()
        # A fixture may serve further tests of the file.
        tests = self.by_file.get(test.partition("::")[0], []) if phase == "setup" else [test]
        return [test for test in tests if test in self.seconds]


def ranges(source: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the lines of the statement around some lines, then those of what is around it."""
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt | ast.ExceptHandler)
        and min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) <= first
        and (node.end_lineno or node.lineno) >= last
    ]
    around.sort(key=lambda node: (node.end_lineno or 0) - node.lineno)
    for i, node in enumerate(around):
        if i == 0 and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, last  # of a compound statement only the head
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.body[0].lineno, node.end_lineno or last
    yield 1, len(source.splitlines())


def measure(clone: Path, out: Path, tests: list[str], workers: int) -> None:
    """Run the tests with coverage, unless that has been done.

    Args:
        clone: Where they run.
        out: Folder for ``coverage.db`` and ``coverage.log``.
        tests: Files and folders.
        workers: Number of processes.
    """
    if (out / "coverage.log").exists():
        return
    out.mkdir(exist_ok=True)
    config, log = out / "coveragerc", out / "coverage.part"
    config.write_text(COVERAGE.format(data=out / "coverage.db"))
    options = ["-q", "-p", "no:cacheprovider", "-n", str(workers)]
    options += ["--durations=0", "--durations-min=0"]
    options += ["--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report="]
    env = {**os.environ, "PYTHONPATH": str(clone)}
    with log.open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=clone, env=env, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    log.rename(out / "coverage.log")


# What can be changed ------------------------------------------------------------------------------


def places(file: str, source: str) -> Iterator[list[Mutant]]:
    """Yield the variants of each place of a module that an operator can change."""
    skipped = annotations(source)
    variants: dict[tuple[str, tuple[int, int], tuple[int, int]], list[Mutant]] = {}
    nodes = list(ast_nodes(get_ast(source)))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or name.endswith("/NoOp") or is_idle(name):
            continue
        spots = (spot for node in nodes for spot in operator().mutation_positions(node))
        family = name.partition("_")[0]
        for occurrence, (start, end) in enumerate(spots):
            if not any(first <= start and end <= last for first, last in skipped):
                mutant = Mutant(file, name, occurrence, start, end)
                variants.setdefault((family, start, end), []).append(mutant)
    yield from variants.values()


def is_idle(name: str) -> bool:
    """Return whether an operator puts ``is`` for ``==`` or the like: often no change."""
    old, _, new = name.removeprefix("core/ReplaceComparisonOperator_").partition("_")
    identity = ("Is", "IsNot")
    return (old in identity) != (new in identity)


def is_python(source: str) -> bool:
    """Return whether a module can be parsed: ``**options`` with another operator can't."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return where the annotations of a module start and end."""
    nodes: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign):
            nodes.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.append(node.returns)
    return [
        ((n.lineno, n.col_offset), (n.end_lineno or n.lineno, n.end_col_offset or 0))
        for n in nodes
        if n is not None
    ]


def sample(clone: Path, modules: list[str], number: int, seed: int) -> tuple[list[Mutant], int]:
    """Return mutants of different places, and how many places there are."""
    files = sorted({path for pattern in modules for path in clone.glob(pattern)})
    found = [
        variants
        for path in files
        for variants in places(str(path.relative_to(clone)), path.read_text())
    ]
    rng = random.Random(seed)
    chosen = rng.sample(found, min(number, len(found)))
    return [rng.choice(variants) for variants in chosen], len(found)


# Trials -------------------------------------------------------------------------------------------


class Worker:
    """A clone of the repository and the trial that runs in it.

    Args:
        clone: The clone.
        budget: Seconds of tests that a trial may run, as measured with coverage.
    """

    def __init__(self, clone: Path, budget: float) -> None:
        self.clone = clone
        self.budget = budget
        self.pid: int | None = None

    def start(self, mutant: Mutant, reach: Reach) -> Trial:
        """Write a mutant and start its tests, unless there are none."""
        path = self.clone / mutant.file
        self.source, self.times = path.read_text(), path.stat()
        tests, used = [], 0.0
        reaching = reach.tests(mutant.file, self.source, mutant)
        for test in reaching:
            used += reach.seconds[test]
            if tests and used > self.budget:
                break
            tests.append(test)
        changed = mutant.apply(self.source)
        diff = difflib.unified_diff(
            self.source.splitlines(), changed.splitlines(), n=1, lineterm=""
        )
        self.trial = Trial(mutant, "unreached", len(tests), len(reaching) - len(tests))
        self.trial.diff = "\n".join(list(diff)[2:])
        if not is_python(changed):
            self.trial.outcome = "invalid"
        elif tests:
            path.write_text(changed)
            self.started = time.monotonic()
            self.deadline = self.started + 120 + 3 * self.budget
            self.log = self.clone.with_suffix(".log")
            self.pid = os.fork()
            if self.pid == 0:
                os._exit(run_tests(self.clone, self.log, tests))
        return self.trial

    def is_done(self) -> bool:
        """Return whether the trial has ended, and clear up after it."""
        if self.pid is None:
            return True
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        late = time.monotonic() > self.deadline
        if pid == 0 and not late:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # also what the tests have started
        if pid == 0:
            os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        # 1: a failure, 2 and 3: errors of imports, 4: one of a conftest.py.
        outcomes = {0: "survived", **dict.fromkeys((1, 2, 3, 4), "killed")}
        # A signal is a crash of the mutant, or of one of its extensions.
        outcome = "killed" if code < 0 else outcomes.get(code, "error")
        self.trial.outcome = "timeout" if pid == 0 else outcome
        self.trial.seconds = round(time.monotonic() - self.started, 1)
        self.trial.output = self.log.read_text(errors="replace")[-3000:]
        path = self.clone / self.trial.mutant.file
        path.write_text(self.source)
        # The compiled file of the original is valid again.
        os.utime(path, ns=(self.times.st_atime_ns, self.times.st_mtime_ns))
        self.pid = None
        return True


def run_tests(clone: Path, log: Path, tests: list[str]) -> int:
    """Run tests in this process, a fork, until one fails; return pytest's exit code."""
    os.setsid()
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(clone)
    os.environ.update(PYTHONPATH=str(clone), PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    sys.path[:] = [str(clone), *(p for p in sys.path if Path(p or ".").resolve().parent != ROOT)]
    sys.argv = ["pytest"]
    temp = clone.with_suffix(".tmp")
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:cov", f"--basetemp={temp}"]
    code = int(pytest.main([*options, *tests]))
    origin = getattr(sys.modules.get("mmselfsup"), "__file__", None) or str(clone)
    sys.stdout.flush()
    return code if Path(origin).is_relative_to(clone) else 99


def make_clone(place: Path) -> Path:
    """Clone the last commit and compile it, which also spares each trial the compilation."""
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(place)], check=True)
    folders = [str(place / "mmselfsup"), str(place / "tests")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], check=True)
    return place


def head_of(clone: Path) -> str:
    """Return the hash of the commit of a clone."""
    argv = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        argv, cwd=clone, check=True, capture_output=True, text=True
    ).stdout.strip()


def preload() -> None:
    """Import what the tests import, but nothing of this repository."""
    for name in PRELOADED:
        importlib.import_module(name)
    sys.modules["torch"].set_num_threads(1)
    loaded = [name for name in sys.modules if name.partition(".")[0] in ("mmselfsup", "tests")]
    assert not loaded, loaded


def run(args: argparse.Namespace) -> list[Trial]:
    """Make the round and return the trials; each is also a line of ``trials.jsonl``."""
    out: Path = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    clones = [make_clone(out / f"clone{i}") for i in range(args.workers)]
    # What one commit's tests reach says nothing of another's.
    reached = out / head_of(clones[0])
    measure(clones[0], reached, [f"tests/{name}" for name in args.tests], args.workers)
    reach = Reach(reached / "coverage.db", reached / "coverage.log")
    mutants, number = sample(clones[0], args.modules, args.sample, args.seed)
    print(f"{len(mutants)} of {number} places, seed {args.seed}", flush=True)
    preload()
    waiting = [Worker(clone, args.budget) for clone in clones]
    busy: list[Worker] = []
    trials: list[Trial] = []
    todo = list(reversed([m for i, m in enumerate(mutants) if i in args.only or not args.only]))
    with (out / "trials.jsonl").open("w") as file:
        while todo or busy:
            while todo and waiting:
                worker = waiting.pop()
                trials.append(worker.start(todo.pop(), reach))
                busy.append(worker)
            for worker in [w for w in busy if w.is_done()]:
                busy.remove(worker)
                waiting.append(worker)
                trial = worker.trial
                print(len(trials), trial.outcome, f"{trial.seconds:.0f}s", trial.mutant, flush=True)
                file.write(json.dumps({"number": mutants.index(trial.mutant), **asdict(trial)}))
                file.write("\n")
                file.flush()
            time.sleep(0.05)
    return trials


def main() -> None:
    """Parse the command line, make the round and print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=200, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--modules", nargs="+", default=list(MODULES), help="patterns of files")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help="below tests/")
    parser.add_argument("--only", nargs="+", type=int, default=[], help="numbers of the sample")
    parser.add_argument("--workers", type=int, default=2, help="number of processes")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests for a mutant")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/mutation"), help="folder")
    trials = run(parser.parse_args())
    for trial in trials:
        if trial.outcome != "killed":
            print(f"\n{trial.outcome}: {trial.mutant.file}, {trial.tests} tests", end="")
            print(f" ({trial.left_out} left out)" if trial.left_out else "", f"\n{trial.diff}")
    print(dict(Counter(trial.outcome for trial in trials)))


if __name__ == "__main__":
    main()
