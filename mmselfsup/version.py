"""The version of the package, and its form as a tuple that can be compared."""

#: 2.0.0: the package index has another mmselfsup 1.0.0, OpenMMLab's, of which this is no version.
__version__ = "2.0.0"
#: What tells this project from another one of that name; pyproject.toml says the same.
PROJECT = (
    "Self-supervised pre-training from config files, with MMSelfSup 0.x's names, on current PyTorch"
)


def parse_version_info(version_str: str) -> tuple[int | str, ...]:
    """Split a version such as ``1.0.0rc1`` into ``(1, 0, 0, 'rc1')``."""
    parts: list[int | str] = []
    for part in version_str.split("."):
        number, _, candidate = part.partition("rc")
        if number.isdigit():
            parts.append(int(number))
        if candidate:
            parts.append(f"rc{candidate}")
    return tuple(parts)


version_info = parse_version_info(__version__)

__all__ = ["PROJECT", "__version__", "parse_version_info", "version_info"]
