"""What a command line reads, as plain values that change when what it reads changes.

Nothing is listed by hand: each argument that names a file stands for the file's content, one that
names a folder of images for the state of those images that its lists name, and one that names a
config for everything the config says, the files that it names, and its own modules.
"""

from __future__ import annotations

import datetime
import fnmatch
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import mmselfsup
from mmselfsup.config.overrides import parse_options, parse_value
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.stable_text import stable_text
from mmselfsup.version import __version__

from .image_digests import ImageDigests
from .own_modules import imported_content, module_files
from .step import content, digest, read_record, verify_content

#: Arguments that say where to write, or where a cache or a data set lies: no number depends on it.
_PLACES = ("work_dir", "out", "features", "root")
#: Names of arguments and config keys whose files are lists of images.
_LISTS = ("ann_file", "train", "test")
_WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors")
_CONFIGS = (".py", ".json", ".yaml", ".yml")
_IMAGE_STATES: dict[tuple[Path, tuple[str, ...]], str | None] = {}
_DIGESTS = [ImageDigests()]  # of the study that runs
# Packages by the name of their library; the first that is installed counts.
_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python",
           "opencv-contrib-python-headless")  # fmt: skip
#: Libraries that make the pixels of every command: decoding, resizing, augmentation.
_PIXELS = {"torchvision": ("torchvision",), "Pillow": ("pillow", "pillow-simd"), "OpenCV": _OPENCV}
_FAISS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cuvs")
# Registered names whose classes are timm's, beside ``timm.NAME``; mmcls's may have its scope.
_TIMM = ("TIMMBackbone", "mmcls.TIMMBackbone", "RandomAug")
_TRAINING = "tools/train.py"
_CONFIG_CACHE: dict[Path, tuple[dict[str, int], _PlainConfig]] = {}


def command_stamp(
    argv: Sequence[str],
    root: Path,
    reads: Mapping[str, Path] | None = None,
    in_fork: bool = False,
) -> dict[str, Any]:
    """Return everything that the result of a command depends on, as plain JSON values.

    Args:
        argv: A script and its arguments.
        root: The repository, which relative paths start from.
        reads: What the command finds by itself, by what it is: files and folders of images.
        in_fork: Whether it runs in a fork of this process, which has imported the own modules of
            the configs already.
    """
    values, overridden = _arguments(argv)
    named = list(_texts(values))
    for key, path in [(key, path) for key, path in values.items() if _is_config(key)]:
        config = _read_config(Path(root, path))
        named += config.texts
        values[key] = config.digest(root)
        values.update(config.paths(key, root, overridden))
        for module, file in config.modules(values):
            stamp = imported_content(file) if in_fork and file.is_file() else str(file)
            values[f"{key}: module {module}"] = stamp
    # Overrides are those of the config that names the data sets, not of theirs.
    for key, path in [(key, path) for key, path in values.items() if _is_data(key, path, root)]:
        config = _read_config(_at(root, path))
        values |= {key: config.digest(root), **config.paths(key, root)}
    values.update({key: str(path) for key, path in (reads or {}).items()})
    names = _names(values, root)
    return {
        "tool": argv[0],
        **{key: _stamp(value, root, names) for key, value in values.items()},
        **environment_stamp(root, argv[0], named),
    }


def environment_stamp(
    root: Path, tool: str, named: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """Return what a result depends on besides its command: the code, and the libraries it uses.

    A library counts where its version can change a number, so that an update of one that a command
    does not use leaves the result: torch, and what makes the pixels, for all; timm where a config
    names it; faiss where it clusters; scikit-learn where nothing is trained, which it can't change.
    numpy does not count: its generators keep their streams.

    Args:
        root: The repository.
        tool: The script.
        named: Every text of the command and its configs, by dotted key.
    """
    path = Path(root, tool)
    # A shell script starts the Python tool that lies beside it.
    files = [path, *(sorted(path.parent.glob("*.py")) if path.suffix == ".sh" else ())]
    return {
        "version": __version__,
        "code": source_digest(),
        "code of the tool": digest("".join(content(file) for file in files if file.is_file())),
        "torch": torch_version(),
        **{library: _version(*packages) for library, packages in _PIXELS.items()},
        **({"timm": _version("timm")} if any(_is_timm(text) for _, text in named) else {}),
        **({"faiss": _version(*_FAISS)} if any("clustering" in key for key, _ in named) else {}),
        **({} if tool == _TRAINING else {"scikit-learn": _version("scikit-learn")}),
    }


def _is_timm(text: str) -> bool:
    """Return whether a text of a config is the type of something that timm makes."""
    return text.startswith("timm.") or text in _TIMM


@lru_cache(maxsize=1)  # read once: a process keeps the modules that it has imported
def source_digest() -> str:
    """Return the hash of the package's sources that make numbers: all of it but the study."""
    package = Path(mmselfsup.__file__).parent
    files = sorted(path.relative_to(package) for path in package.rglob("*.py"))
    return digest("".join(f"{f} {content(package / f)}\n" for f in files if f.parts[0] != "study"))


def torch_version() -> str:
    """Return the version of torch, without loading it."""
    return _version("torch")


@lru_cache(maxsize=32)
def _version(*packages: str) -> str:
    """Return the version of the first package that is installed; '' if none is."""
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def origin(root: Path, machine: str) -> dict[str, str]:
    """Return who makes a result now: version, revision, sources, date, machine, torch."""
    return {
        "version": __version__,
        "revision": _revision(root.absolute()),
        "code": source_digest(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine,
        "torch": torch_version(),
    }


@lru_cache(maxsize=1)
def _revision(root: Path) -> str:
    """Return the name that git gives the checkout; empty if it is none."""
    if not (root / ".git").exists():  # git would search the folders above, too
        return ""
    argv = ("git", "describe", "--always", "--tags", "--dirty")
    try:
        done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def forget_images(index: Path | None = None, verify: bool = False) -> None:
    """Read the images again from now on.

    Between two calls each folder is looked at once: a study has dozens of commands on the same
    thousands of images. An image that changes meanwhile makes the next study start again what
    may have read it.

    Args:
        index: File of the hashes of all images, see ``image_digests``; None: without content.
        verify: Whether the content of every file counts, also where size and time are as before.
    """
    _IMAGE_STATES.clear()
    _DIGESTS[0] = ImageDigests(index, verify)
    verify_content(verify)


def _arguments(argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Read a command line.

    Returns:
        The arguments by name, without those that only name a place; overrides have the names of
        their keys, those of a second config say so. Then the keys of all overrides.
    """
    words: dict[str, list[str]] = {}
    flag = ""
    for position, word in enumerate(argv[1:], 1):
        if word.startswith("--"):
            flag, equals, value = word[2:].partition("=")
            flag = flag.replace("-", "_")
            words.setdefault(flag, []).extend([value] if equals else [])  # lists may be in parts
        elif flag:
            words[flag].append(word)
        else:
            words[_positional(word, position)] = [word]
    values: dict[str, Any] = {}
    overridden: list[str] = []
    for name, given in words.items():
        if name in _PLACES:
            continue
        if name.endswith("_options"):
            start = "" if name == "cfg_options" else f"{name.removesuffix('_options')} "
            overrides = parse_options(given)
            values.update({f"{start}{key}": value for key, value in overrides.items()})
            overridden += overrides
        elif len(given) == 1 and not _is_config(name):
            values[name] = parse_value(given[0])
        else:
            values[name] = given[0] if len(given) == 1 else given or True
    return values, overridden


def _positional(word: str, position: int) -> str:
    """Return a name for a positional argument."""
    suffix = Path(word).suffix
    if suffix in _CONFIGS:
        return "config"
    return "checkpoint" if suffix in _WEIGHTS else f"argument {position}"


def _is_config(name: str) -> bool:
    return name == "config" or name.endswith("_config")


def _is_data(name: str, value: Any, root: Path) -> bool:
    """Return whether a value names a config of data sets, as ``FrozenFeaturesHook.data`` may."""
    if not name.endswith(".data") or not isinstance(value, str):
        return False
    return value.endswith(_CONFIGS) and os.path.isfile(_at(root, value))


def _at(root: Path, text: str) -> Path:
    """Return the path of a text, as data sources and the loading of weights read it (``~``)."""
    return Path(root, os.path.expanduser(text))


def _is_path(text: str, root: Path) -> bool:
    """Return whether a text of a config names a file or folder that exists."""
    if "/" in text:
        return os.path.exists(_at(root, text))
    return "." in text and os.path.isfile(Path(root, text))  # a folder's name may be any word


def _matches(name: str, overridden: Sequence[str]) -> bool:
    """Return whether an override, which may have wildcards, sets a config's key or its parent."""
    return any(
        fnmatch.fnmatchcase(name, key) or fnmatch.fnmatchcase(name, f"{key}.*")
        for key in overridden
    )


def _stamp(value: Any, root: Path, names: tuple[str, ...]) -> Any:
    """Return what stands for a value: the content of the file, the images of the folder."""
    if isinstance(value, Mapping):
        return {str(key): _stamp(item, root, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stamp(item, root, names) for item in value]
    if not isinstance(value, str) or not value:
        return value
    path = _at(root, value)
    if os.path.isfile(path):
        return file_stamp(path)
    if os.path.isdir(path):
        return _images_stamp(path, names) or value
    return value


def file_stamp(path: Path) -> str:
    """Return what stands for a file: its content.

    The weights that a step has written are known by its settings and what it recorded.
    """
    if path.suffix in _WEIGHTS:
        full = path.absolute()
        for folder in full.parents:
            record = read_record(folder)
            if record is not None:
                output = record.outputs.get(str(full.relative_to(folder)))
                if output is not None and output.is_still(path):
                    return f"sha256:{output.sha256[:16]} of settings {record.hash}"
                break
    return content(path)


def _names(values: Mapping[str, Any], root: Path) -> tuple[str, ...]:
    """Return the names of the images that the lists of a command name, each once, sorted."""
    names: set[str] = set()
    for key, value in values.items():
        last = key.replace(" ", ".").rpartition(".")[2]
        if last in _LISTS and isinstance(value, str) and os.path.isfile(_at(root, value)):
            path = _at(root, value).absolute()
            names.update(_read_names(path, content(path)))
    return tuple(sorted(names))


@lru_cache(maxsize=64)
def _read_names(path: Path, stamp: str) -> tuple[str, ...]:
    """Read the names of a list once for each content, which is only the cache's key."""
    from mmselfsup.datasets.data_sources.lists import read_names  # loads torch

    try:
        return tuple(read_names(str(path)))
    except UserError:  # the command itself will say what is wrong with it
        return ()


def _images_stamp(folder: Path, names: tuple[str, ...]) -> str | None:
    """Return the hash of ``ImageDigests.lines`` of those images of a folder; None without any.

    Args:
        folder: The folder.
        names: Names of the images; empty: all images in it and in the folders below.
    """
    key = folder.absolute(), names
    if key not in _IMAGE_STATES:
        lines = _DIGESTS[0].lines(folder, names or _all_images(folder))
        _IMAGE_STATES[key] = digest("".join(lines)) if lines else None
    return _IMAGE_STATES[key]


def _all_images(folder: Path) -> list[str]:
    """Return the names of all images in a folder and in those below, as data sources find them."""
    from mmselfsup.datasets.data_sources.lists import find_images  # loads torch

    return find_images(str(folder))


@dataclass(frozen=True)
class _PlainConfig:
    """A config without overrides.

    Attributes:
        tree: All it says.
        texts: Every text in it, by dotted key.
    """

    tree: Mapping[str, Any]
    texts: tuple[tuple[str, str], ...]

    def digest(self, root: Path) -> str:
        """Return the hash of all it says; paths that exist are left out, their content counts."""

        def plain(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {str(key): plain(item) for key, item in value.items()}
            if isinstance(value, (list, tuple)):
                return [plain(item) for item in value]
            return "<path>" if isinstance(value, str) and _is_path(value, root) else value

        return digest(json.dumps(plain(self.tree), sort_keys=True, default=stable_text))

    def paths(self, key: str, root: Path, overridden: Sequence[str] = ()) -> dict[str, str]:
        """Return the files and folders that it names, without those of ``overridden`` keys."""
        return {
            f"{key}: {name}": text
            for name, text in self.texts
            if _is_path(text, root) and not _matches(name, overridden)
        }

    def modules(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
        """Yield the source files of what it, or an override, imports, by name."""
        custom = values.get("custom_imports", self.tree.get("custom_imports"))
        names = custom.get("imports", ()) if isinstance(custom, Mapping) else ()
        names = values.get("custom_imports.imports", names)
        for name in [names] if isinstance(names, str) else names or ():
            yield from module_files(name)


def _read_config(path: Path) -> _PlainConfig:
    """Read a config with its bases, once until one of the files changes."""
    from mmselfsup.config.load import read_config  # loads torch

    full = path.absolute()
    times, config = _CONFIG_CACHE.get(full, ({}, None))
    if config is None or _times(times) != times:
        cfg = read_config(str(path))
        # mmcv writes the name of each file that it has read above its text.
        files = [line for line in cfg.text.splitlines() if line.endswith(_CONFIGS)]
        times = _times([str(full), *files])
        tree = cfg._cfg_dict.to_dict()
        config = _PlainConfig(tree, tuple(_texts(tree)))
        _CONFIG_CACHE[full] = times, config
    return config


def _times(files: Mapping[str, int] | Sequence[str]) -> dict[str, int]:
    """Return the modification time of each file that exists."""
    return {file: os.stat(file).st_mtime_ns for file in files if os.path.isfile(file)}


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a tree with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, (Mapping, list, tuple)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, item in items:
            yield from _texts(item, f"{key}.{name}" if key else str(name))
