"""The promises of the packaging: one home for versions, and nothing of one machine in the tree."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest
from mmcv import Config
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mmselfsup import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BUILD_CONSTRAINT = "setuptools<81"
DISTRIBUTION_OF = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "faiss": "faiss-cpu",
    "umap": "umap-learn",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def read_lines(name: str) -> list[str]:
    """Return the lines of a requirements file that are no comment."""
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line]


def list_tracked_files() -> list[Path]:
    """Return the files that git tracks, or, outside a checkout, those that look like sources."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [
            ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()
        ]
    rooms = ("mmselfsup", "configs", "tools", "tests", "docs", "scripts", "requirements")
    found = [path for room in rooms for path in (ROOT / room).rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts]


def test_version_has_one_home() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "mmselfsup.version.__version__"
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", __version__)


def test_every_dependency_names_a_minimum() -> None:
    for line in PYPROJECT["project"]["dependencies"]:
        assert any(s.operator in (">=", "==") for s in Requirement(line).specifier), line


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("requirements.txt", ["-r requirements/runtime.txt"]),
        ("requirements/runtime.txt", ["-e ."]),
        ("requirements/tests.txt", ["-e .[dev]"]),
        ("requirements/build.txt", [BUILD_CONSTRAINT]),
    ],
)
def test_requirements_files_point_at_pyproject(name: str, lines: list[str]) -> None:
    assert read_lines(name) == lines


def test_uv_holds_setuptools_back_as_pip_does() -> None:
    assert PYPROJECT["tool"]["uv"]["build-constraint-dependencies"] == [BUILD_CONSTRAINT]


def test_setup_py_says_nothing_of_its_own() -> None:
    calls = [
        n for n in ast.walk(ast.parse((ROOT / "setup.py").read_text())) if isinstance(n, ast.Call)
    ]
    assert [(ast.unparse(call.func), call.args, call.keywords) for call in calls] == [
        ("setup", [], [])
    ]


def find_imports(tree: ast.AST) -> set[str]:
    """Return the top-level names of the modules that some code imports absolutely."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def find_late_imports(tree: ast.AST) -> set[str]:
    """Return the names imported inside functions, which may be absent until they are needed."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return set().union(*map(find_imports, functions))


def names_of(requirements: Iterable[str]) -> set[str]:
    """Return the names of the distributions that are required."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_what_is_imported_is_declared() -> None:
    declared = names_of(PYPROJECT["project"]["dependencies"])
    optional = names_of(chain(*PYPROJECT["project"]["optional-dependencies"].values()))
    files = [path for room in ("mmselfsup", "tools") for path in (ROOT / room).rglob("*.py")]
    for path in files:
        tree = ast.parse(path.read_text())
        for name in find_imports(tree) - set(sys.stdlib_module_names) - {"mmselfsup", "tools"}:
            home = DISTRIBUTION_OF.get(name, canonicalize_name(name))
            allowed = declared | (optional if name in find_late_imports(tree) else set())
            assert home in allowed, (
                f"{path.relative_to(ROOT)} imports {name}, not in pyproject.toml"
            )


def test_no_lock_files_registry_hosts_or_machine_paths() -> None:
    # Written in pieces, so that this file does not find itself.
    hosts = [r"py" + r"pi\.org", r"pythonhosted" + r"\.org", r"download\." + r"pytorch\.org"]
    homes = [r"(?<![\w.~])/" + home for home in (r"root/\.", "work/", "opt/(?!conda)", r"home/\w")]
    unwanted = re.compile("|".join(hosts + homes))
    for path in list_tracked_files():
        name = path.relative_to(ROOT)
        assert not re.search(r"(^|[./-])lock(\.\w+)?$|-lock\.", path.name), f"lock file {name}"
        if path.suffix in {".png", ".jpg", ".jpeg", ".gif"}:
            continue
        found = unwanted.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{name} holds {found and found.group()!r}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel, built from a copy of the files that git tracks, and unpacked."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in list_tracked_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (source / "tools" / "__pycache__").mkdir(exist_ok=True)
    (source / "tools" / "__pycache__" / "train.cpython-311.pyc").touch()
    build = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-W", "ignore", "-c", build, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = out.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_wheel_carries_configs_and_tools(wheel: Path) -> None:
    mim = wheel / "mmselfsup" / ".mim"
    found = {path.relative_to(mim).as_posix() for path in mim.rglob("*") if path.is_file()}
    tracked = {path.relative_to(ROOT).as_posix() for path in list_tracked_files()}
    wanted = ("configs/", "tools/", "train_SSL_with_finetuning_ISIC2019.sh")
    assert found == {name for name in tracked if name.startswith(wanted)}
    package = {path for path in tracked if path.startswith("mmselfsup/")}
    assert {name for name in package if not (wheel / name).is_file()} == set()
    assert {path.name for path in wheel.iterdir()} <= {
        "mmselfsup", f"mmselfsup-{__version__}.dist-info"
    }  # fmt: skip


def test_configs_and_tools_of_the_wheel_stand_together(wheel: Path, tmp_path: Path) -> None:
    mim = wheel / "mmselfsup" / ".mim"
    config = mim / "configs/selfsup/simclr/simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"
    assert Config.fromfile(str(config)).model.type == "SimCLR"  # its bases are there
    command = [sys.executable, str(mim / "tools/train.py"), "--help"]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--auto-resume" in done.stdout
