"""The version of the package, and its form as a tuple that can be compared."""

__version__ = "1.0.0"


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

__all__ = ["__version__", "parse_version_info", "version_info"]
