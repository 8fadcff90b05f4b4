"""Build the wheel of mmcv 1.7.2 on a Python that its own source does not build on.

``setup.py`` of mmcv reads its version from ``locals()`` after ``exec``, which Python 3.13 no longer
fills (PEP 667), and ``mmcv/utils/ext_loader.py`` calls ``pkgutil.find_loader``, which Python 3.14
no longer has. Both places are changed in the source that pip unpacks; the wheel is pure Python.

Usage: python scripts/build_mmcv.py FOLDER     (writes the wheel there and prints its path)
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

VERSION = "1.7.2"
CONSTRAINTS = Path(__file__).resolve().parents[1] / "requirements" / "build.txt"
#: File in the source, and what is replaced there by what.
PATCHES: dict[str, tuple[tuple[str, str], ...]] = {
    "setup.py": (
        (
            "exec(compile(f.read(), version_file, 'exec'))",
            "exec(compile(f.read(), version_file, 'exec'), globals())",
        ),
        ("return locals()['__version__']", "return globals()['__version__']"),
    ),
    "mmcv/utils/ext_loader.py": (
        ("import pkgutil\n", "import importlib.util\n"),
        ("pkgutil.find_loader(", "importlib.util.find_spec("),
    ),
}


def patch(source: Path, patches: Mapping[str, tuple[tuple[str, str], ...]] = PATCHES) -> None:
    """Change the unpacked source.

    Raises:
        SystemExit: It is another source than that of 1.7.2.
    """
    for name, pairs in patches.items():
        path = source / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for old, new in pairs:
            if text.count(old) != 1 and new not in text:
                raise SystemExit(f"error: {path} is not that of mmcv {VERSION}: it lacks {old!r}")
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def unpacked_source(folder: Path) -> Path:
    """Return the source that pip unpacks below a folder.

    pip runs ``setup.py`` of what it downloads; where this fails, ``--no-clean`` leaves the source.

    Raises:
        SystemExit: pip has found none.
    """
    out = folder / "download"
    command = ["download", "--no-deps", "--no-clean", "--no-binary", "mmcv", "-d", str(out)]
    done = run_pip([*command, f"mmcv=={VERSION}"], {"TMPDIR": str(folder)})
    found = [path.parent for path in sorted(folder.glob("*/mmcv*/setup.py"))]
    if not found:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[-1] if lines else done.stderr.strip()[-200:]
        raise SystemExit(f"error: pip has not unpacked mmcv {VERSION}: {reason}")
    return found[0]


def run_pip(arguments: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run pip of this interpreter, with setuptools held back where it builds."""
    held = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env={**os.environ, **held, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def build(out: Path) -> Path:
    """Write the wheel into a folder and return its path.

    Raises:
        SystemExit: It can't be built; the reason is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="mmcv_") as folder:
        source = unpacked_source(Path(folder))
        patch(source)
        done = run_pip(["wheel", "--no-deps", "-w", str(out), str(source)], {})
        if done.returncode:
            sys.stderr.write(done.stderr)
            raise SystemExit(f"error: the wheel of mmcv {VERSION} could not be built, see above")
    return next(iter(sorted(out.glob(f"mmcv-{VERSION}-*.whl"))))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(str(__doc__).rsplit("\n\n", 1)[-1].strip())
    print(build(Path(sys.argv[1])))
