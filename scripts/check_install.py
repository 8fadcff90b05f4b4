"""Import every large dependency once and print in one line what is wrong, if anything is.

Exit status: 0 if all is well, 1 if an import fails, 3 if OpenCV lacks libGL or a similar library.
"""

import argparse
import importlib
import logging
import platform
import sys
import warnings
from importlib.metadata import requires

MODULES = ("torch", "torchvision", "cv2", "mmcv", "mmcls", "mmselfsup")
SHARED_LIBRARIES = ("libGL.so", "libgthread", "libglib")
REMEDIES = {
    "torchvision::nms": "torch and torchvision are of different builds (CPU-only and ordinary)",
    "MMCV==": "mmcls 0.25.0 and this mmcv do not fit together",
    "No module named 'mmcv": "mmcv is missing, or mmcv and mmcv-full were installed side by side",
}


def find_remedy(message: str) -> str:
    """Return what a known import error means, or an empty string."""
    return next((remedy for text, remedy in REMEDIES.items() if text in message), "")


def check_imports() -> int:
    """Import the modules, print their versions or the first failure; return the exit status."""
    warnings.simplefilter("ignore")  # mmcv warns of its version 2.0 at every import
    logging.disable(logging.WARNING)  # torch logs that it finds no GPU
    versions = [f"Python {platform.python_version()}"]
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # an import may raise anything; it is reported
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            if name == "cv2" and any(library in message for library in SHARED_LIBRARIES):
                print(f"install: OpenCV lacks a library: {message}", file=sys.stderr)
                return 3
            remedy = find_remedy(message) or "see docs/en/install.md"
            print(f"error: cannot import {name}: {message} ({remedy})", file=sys.stderr)
            return 1
        versions.append(f"{name} {module.__version__}")
    print("install: " + ", ".join(versions), file=sys.stderr)
    return 0


def list_requirements() -> list[str]:
    """Return what mmselfsup needs besides mmcv, for environments that have mmcv-full."""
    needed = requires("mmselfsup") or []
    return [line for line in needed if not line.startswith("mmcv") and "extra ==" not in line]


def main() -> int:
    """Run what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description="Check that the installed packages import.")
    parser.add_argument(
        "--list-requirements",
        action="store_true",
        help="Print the requirements of mmselfsup besides mmcv, one per line.",
    )
    if parser.parse_args().list_requirements:
        print(*list_requirements(), sep="\n")
        return 0
    return check_imports()


if __name__ == "__main__":
    sys.exit(main())
