"""Which arguments a class takes, followed through ``**kwargs`` into its base classes."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Accepted:
    """Arguments that a class or function takes.

    Attributes:
        names: those that can be known, in the order of the signatures.
        open: whether others may be fine too, because ``**kwargs`` goes to something unknown.
    """

    names: tuple[str, ...]
    open: bool

    def __contains__(self, name: str) -> bool:
        return self.open or name in self.names


@dataclass
class _Kwargs:
    """What a constructor does with its ``**kwargs``."""

    names: list[str]  # read by name, as kwargs.pop('x')
    to_base: bool = False
    elsewhere: bool = False


def _constructor_call(call: ast.Call) -> bool:
    """Whether a call is ``super().__init__(...)`` or ``Base.__init__(...)``."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"


def _read_by_name(node: ast.AST, variable: str) -> str | None:
    """The key in ``kwargs.pop('x')``, ``kwargs.get('x')``, ``kwargs['x']``, ``'x' in kwargs``."""
    key: ast.AST | None = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        owner, key = node.func.value, node.args[0]
        if node.func.attr not in ("pop", "get", "setdefault"):
            return None
    elif isinstance(node, ast.Subscript):
        owner, key = node.value, node.slice
    elif isinstance(node, ast.Compare) and len(node.comparators) == 1:
        owner, key = node.comparators[0], node.left
    else:
        return None
    if isinstance(owner, ast.Name) and owner.id == variable and isinstance(key, ast.Constant):
        return key.value if isinstance(key.value, str) else None
    return None


def _follow(function: Callable[..., Any], variable: str) -> _Kwargs:
    """Read in the source where ``**variable`` of ``function`` goes."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return _Kwargs([], elsewhere=True)
    found, explained = _Kwargs([]), 0
    for node in ast.walk(tree):
        name = _read_by_name(node, variable)
        if name is not None:
            found.names.append(name)
            explained += 1
        if isinstance(node, ast.Call) and _constructor_call(node):
            for keyword in node.keywords:
                passed = isinstance(keyword.value, ast.Name) and keyword.value.id == variable
                if keyword.arg is None and passed:
                    found.to_base = True
                    explained += 1
    uses = sum(isinstance(n, ast.Name) and n.id == variable for n in ast.walk(tree))
    found.elsewhere = uses > explained
    return found


@cache
def accepted_args(target: Callable[..., Any]) -> Accepted:
    """Arguments of a class or a function.

    Where ``**kwargs`` is handed to the base class, its arguments count too. Where it is ignored,
    nothing more is accepted; where it is handed to anything else, the answer is open.
    """
    if not inspect.isclass(target):
        return _of_function(target)
    names: list[str] = []
    for cls in target.__mro__:
        if "__init__" not in vars(cls) or cls is object:
            continue
        constructor = vars(cls)["__init__"]
        try:
            parameters = list(inspect.signature(constructor).parameters.values())[1:]
        except (TypeError, ValueError):
            return Accepted(tuple(names), open=True)
        names += [p.name for p in parameters if p.kind in _NAMED]
        rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        if rest is None or cls.__module__.startswith("torch.nn.modules.module"):
            break
        kwargs = _follow(constructor, rest)
        names += kwargs.names
        if kwargs.elsewhere:
            return Accepted(tuple(dict.fromkeys(names)), open=True)
        if not kwargs.to_base:
            break
    return Accepted(tuple(dict.fromkeys(names)), open=False)


def _of_function(function: Callable[..., Any]) -> Accepted:
    parameters = inspect.signature(function).parameters.values()
    names = tuple(p.name for p in parameters if p.kind in _NAMED)
    return Accepted(names, open=any(p.kind is p.VAR_KEYWORD for p in parameters))
