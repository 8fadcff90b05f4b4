"""mmselfsup: self-supervised pre-training from config files.

Importing the package is cheap: torch and mmcv are loaded by the sub-packages that need them.
"""

from mmselfsup.version import __version__


def digit_version(version_str: str, length: int = 4) -> tuple[int, ...]:
    """Turn a version into integers that compare as versions do.

    Args:
        version_str: A version such as ``1.7.2`` or ``2.0.0rc1``.
        length: How many release numbers to keep; shorter versions are filled with zeros.

    Returns:
        The release numbers, then two numbers that put pre-releases below the release and
        post-releases above it.
    """
    # Not at the top: without an environment a command says in one line what is missing.
    from packaging.version import Version

    version = Version(version_str)
    release = [*version.release, *[0] * length][:length]
    if version.pre is not None:
        kind, number = version.pre
        return (*release, {"a": -3, "b": -2, "rc": -1}[kind], number)
    if version.is_devrelease:
        return (*release, -4, version.dev or 0)
    return (*release, 1, version.post) if version.post is not None else (*release, 0, 0)


__all__ = ["__version__", "digit_version"]
