"""Faults of a config, in words that help to correct it."""

from collections.abc import Iterable
from difflib import get_close_matches

from ..errors import UserError

_MANY = 25  # names in a message at most


def _hint(name: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for a close name, ``;`` otherwise."""
    close = get_close_matches(name, list(valid), n=1, cutoff=0.6)
    if not close:  # the name without its scope: SwinTransformer for mmcls.SwinTransformer
        close = [v for v in valid if v.endswith(f".{name}")][:1]
    return f"; did you mean {close[0]!r}?" if close else ";"


def _shown(names: Iterable[str]) -> str:
    """Return names as a list for a message, cut after ``_MANY``."""
    listed = list(names)
    if len(listed) > _MANY:
        return f"{', '.join(listed[:_MANY])}, ... ({len(listed)} in all)"
    return ", ".join(listed) or "nothing"


class Findings:
    """The faults of a config; the first one is reported in full.

    Args:
        filename: The config file, None for a config without a file.
        overrides: Dotted keys from the command line.
    """

    def __init__(self, filename: str | None, overrides: Iterable[str]) -> None:
        self.filename = filename
        self.overrides = tuple(overrides)
        self._faults: list[tuple[str, str]] = []  # (path, message)

    def _where(self, path: str) -> str:
        """Return what set the key at ``path``: an option of the command line or the file."""
        for key in self.overrides:
            if path == key or path.startswith(f"{key}.") or key.startswith(f"{path}."):
                return f"--cfg-options {key}"
        return self.filename or "config"

    def add(self, path: str, message: str) -> None:
        """Note a fault of any kind at ``path``."""
        self._faults.append((path, f"{self._where(path)}: {message}"))

    def unknown_key(self, path: str, valid: Iterable[str], owner: str) -> None:
        """Note a key that ``owner`` doesn't take; its name is the last part of ``path``."""
        valid = list(valid)
        hint = _hint(path.rpartition(".")[2], valid)
        self.add(path, f"unknown key {path!r}{hint} {owner} takes {_shown(valid)}")

    def unknown_type(self, path: str, name: object, valid: Iterable[str], kind: str) -> None:
        """Note a ``type`` that no registry knows."""
        valid = list(valid)
        hint = _hint(str(name), valid)
        self.add(path, f"unknown type {name!r} at {path!r}{hint} known as {kind}: {_shown(valid)}")

    def raise_first(self) -> None:
        """Raise if there is a fault.

        Raises:
            UserError: The first fault in full, the places of the others.
        """
        if not self._faults:
            return
        others = [path for path, _ in self._faults[1:]]
        more = f" (and there is something wrong with {_shown(others)})" if others else ""
        raise UserError(self._faults[0][1] + more)
