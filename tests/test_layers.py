"""The rooms of the package have one order; imports go down it, and never in a circle.

The rule is described in ``docs/en/design/README.md``. This test reads the imports as text and runs
nothing, so an import inside a function counts like one at the top of a file.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmselfsup"

# Lowest first. A room sees the rooms before it; those of one line do not see each other.
ORDER = [
    ["utils"],
    ["metrics"],
    ["models", "datasets"],
    ["evaluation"],
    ["core", "isic"],
    ["config", "export"],
    ["apis"],
    ["study"],
    ["cli"],
]
LEVEL = {room: level for level, line in enumerate(ORDER) for room in line}

# Only these rooms know how a config file is read and checked.
READS_CONFIGS = {"config", "apis", "study"}

# Paths of MMSelfSup 0.x, loaded when asked for: the importing module, the imported one.
SHIMS_0X = {("mmselfsup.utils.extractor", "mmselfsup.core.clustering")}

MAX_LINES_OF_A_FILE = 500
MAX_LINES_OF_A_FUNCTION = 50


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def imported(name: str, tree: ast.AST, inside_functions: bool) -> Iterator[str]:
    """Yield the modules of the package that a module imports; ``if TYPE_CHECKING`` not counted."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom):
            yield from imported_from(name, node)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_module(node):
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and str(argument.value).startswith("mmselfsup"):
                yield str(argument.value)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imported(name, node, inside_functions)


def imported_from(name: str, node: ast.ImportFrom) -> Iterator[str]:
    """Yield the modules that a ``from`` of a module imports."""
    parts = name.split(".")
    above = node.level - (FILES[name].name == "__init__.py")
    base = parts[: len(parts) - above] if node.level else []
    origin = ".".join([*base, *(node.module or "").split(".")]).strip(".")
    for alias in node.names:
        module = f"{origin}.{alias.name}"
        yield module if module in FILES else origin


def _is_import_module(node: ast.Call) -> bool:
    return ast.unparse(node.func).endswith("import_module") and bool(node.args)


def edges(inside_functions: bool) -> dict[str, set[str]]:
    """Return which module of the package imports which others."""
    return {
        name: {
            module
            for module in imported(name, tree, inside_functions)
            if module in FILES and module != name
        }
        for name, tree in TREES.items()
    }


def room(module: str) -> str:
    """Return the room of a module; the package itself is none."""
    return module.split(".")[1] if module.count(".") else ""


def upward(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that do not go down the order of the rooms."""
    return [
        (name, module)
        for name, modules in graph.items()
        for module in modules
        if room(name) in LEVEL and room(module) in LEVEL and room(name) != room(module)
        if LEVEL[room(module)] >= LEVEL[room(name)]
    ]


def test_every_room_has_its_place() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(LEVEL)


def test_imports_go_down() -> None:
    assert set(upward(edges(inside_functions=True))) == SHIMS_0X


def test_few_rooms_read_configs() -> None:
    graph = edges(inside_functions=True)
    readers = {room(name) for name, modules in graph.items() if "config" in map(room, modules)}
    assert readers <= READS_CONFIGS


@pytest.mark.parametrize("inside_functions", [False, True])
def test_no_circle(inside_functions: bool) -> None:
    """A circle that only an import inside a function closes is one, too."""
    graph = edges(inside_functions)
    for shim, target in SHIMS_0X:
        graph[shim].discard(target)
    assert find_circle(graph) == []


def part_of_apis(module: str) -> str:
    """Return the folder of ``apis`` that a module is in, or the module where it is in none."""
    parts = module.split(".")
    return ".".join(parts[:3]) if parts[1:2] == ["apis"] and len(parts) > 2 else ""


def test_no_circle_among_the_parts_of_apis() -> None:
    graph: dict[str, set[str]] = {}
    for name, modules in edges(inside_functions=True).items():
        if part := part_of_apis(name):
            others = {part_of_apis(module) for module in modules} - {"", part}
            graph.setdefault(part, set()).update(others)
    assert len(graph) > 8
    assert find_circle(graph) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_imports_are_relative_in_a_room_and_absolute_across_rooms(name: str) -> None:
    assert list(wrongly_written(name, TREES[name])) == []


def wrongly_written(name: str, tree: ast.AST) -> Iterator[str]:
    """Yield the imports of the package that are relative across rooms or absolute inside one."""
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
        (origin, *_) = [*imported_from(name, node), ""]
        inside = room(origin) == room(name) and room(name) != ""
        if origin.startswith("mmselfsup") and room(name) and bool(node.level) != inside:
            yield ast.unparse(node)


def test_a_wrongly_written_import_is_found() -> None:
    name = "mmselfsup.core.clustering"
    tree = ast.parse("from ..utils import dist\nfrom mmselfsup.core.hooks import EvalHook")
    assert len(list(wrongly_written(name, tree))) == 2
    tree = ast.parse("from .hooks import EvalHook\nfrom mmselfsup.utils import dist\nimport json")
    assert list(wrongly_written(name, tree)) == []


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of a circle in their order, or nothing."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for module in sorted(graph[name]):
            if circle := visit(module, [*way, name]):
                return circle
        done.add(name)
        return []

    return next((circle for name in sorted(graph) if (circle := visit(name, []))), [])


def test_a_circle_is_found() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_and_functions_are_short(name: str) -> None:
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= MAX_LINES_OF_A_FILE
    functions = [
        node
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [node.name for node in functions if code_lines(node) > MAX_LINES_OF_A_FUNCTION]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function without its docstring."""
    first = function.body[0]
    docstring = ast.get_docstring(function) is not None
    lines_of_docstring = (first.end_lineno or 0) - first.lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - lines_of_docstring
