"""The arguments that a class accepts, followed through ``**kwargs`` into its base classes."""

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
    """Arguments that a class or function accepts.

    Attributes:
        names: The known arguments, in the order of the signatures.
        open: Whether it may accept others too, because ``**kwargs`` goes to something unknown.
    """

    names: tuple[str, ...]
    open: bool

    def __contains__(self, name: str) -> bool:
        return self.open or name in self.names


@dataclass
class _Kwargs:
    """The use that a constructor makes of its ``**kwargs``."""

    names: list[str]  # read by name, as kwargs.pop('x')
    to_base: bool = False
    elsewhere: bool = False


def _constructor_call(call: ast.Call) -> bool:
    """Return whether a call is ``super().__init__(...)`` or ``Base.__init__(...)``."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"


def _read_by_name(node: ast.AST, variable: str) -> str | None:
    """Return the key that a node reads from ``variable``, None for any other node.

    These are ``kwargs.pop('x')``, ``kwargs.get('x')``, ``kwargs['x']`` and ``'x' in kwargs``.
    """
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
    """Return how the source of ``function`` uses its ``**variable``."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return _Kwargs([], elsewhere=True)
    kwargs, explained = _Kwargs([]), 0
    for node in ast.walk(tree):
        name = _read_by_name(node, variable)
        if name is not None:
            kwargs.names.append(name)
            explained += 1
        if isinstance(node, ast.Call) and _constructor_call(node):
            for keyword in node.keywords:
                passed = isinstance(keyword.value, ast.Name) and keyword.value.id == variable
                if keyword.arg is None and passed:
                    kwargs.to_base = True
                    explained += 1
    # A use that is none of the above can read any key.
    uses = sum(isinstance(n, ast.Name) and n.id == variable for n in ast.walk(tree))
    kwargs.elsewhere = uses > explained
    return kwargs


@cache
def accepted_args(target: Callable[..., Any]) -> Accepted:
    """Return the arguments of a class or a function.

    Where ``**kwargs`` is passed to the base class, the arguments of that count too. Where it is
    ignored, nothing more is accepted; where it is passed to anything else, the result is open.
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
        # nn.Module takes **kwargs only to refuse them.
        if rest is None or cls.__module__.startswith("torch.nn.modules.module"):
            break
        kwargs = _follow(constructor, rest)
        names += kwargs.names
        if kwargs.elsewhere:
            return Accepted(tuple(dict.fromkeys(names)), open=True)
        if not kwargs.to_base:
            break
    return Accepted(tuple(dict.fromkeys(names)), open=False)


def required_args(target: type) -> tuple[str, ...]:
    """Return the arguments without a default that the constructor of a class names itself."""
    parameters = list(inspect.signature(target.__init__).parameters.values())[1:]  # type: ignore[misc]
    return tuple(p.name for p in parameters if p.kind in _NAMED and p.default is p.empty)


def _of_function(function: Callable[..., Any]) -> Accepted:
    """Return the arguments in the signature of a function."""
    parameters = inspect.signature(function).parameters.values()
    names = tuple(p.name for p in parameters if p.kind in _NAMED)
    return Accepted(names, open=any(p.kind is p.VAR_KEYWORD for p in parameters))
