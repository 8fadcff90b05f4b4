"""What a file is, by its first bytes: the reason why it can't be read as a checkpoint."""

import zipfile
from pathlib import Path

_HEAD = 4096  # bytes that are looked at
# First bytes, what such a file is, and what to do.
_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file", "run 'git lfs pull'"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"\x89HDF", "an HDF5 file, such as Keras's", "convert it to PyTorch"),
    (b"\x93NUMPY", "a NumPy array", "save the state_dict with torch.save"),
    (b"GGUF", "a GGUF file", "take the weights as PyTorch or safetensors file"),
    (b"\xff\xd8\xff", "a JPEG image", "check the path"),
    (b"\x89PNG", "a PNG image", "check the path"),
    (b"%PDF", "a PDF document", "check the path"),
)
_OF_PAGE = (b"<!doctype html", b"<html")


def other_kind(path: Path) -> str | None:
    """Return what a file is instead of a checkpoint and what to do; None where that is unknown.

    Args:
        path: The file, which could not be read as a checkpoint.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    if not head:
        return "empty (0 bytes); copy or download it again"
    for start, kind, advice in _STARTS:
        if head.startswith(start):
            return f"{kind}; {advice}"
    if any(mark in head.lower()[:1024] for mark in _OF_PAGE):
        return (
            "a web page (HTML), as a link to a page gives it; download the file itself, such as "
            "by its 'raw' or 'resolve' address"
        )
    return _archive(path) or _text(head)


def _archive(path: Path) -> str | None:
    """Return what a zip archive is that is no checkpoint; None for other files."""
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return None
    inside = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in inside:
        return (
            "a TorchScript program; open it with torch.jit.load(...), and save its state_dict() "
            "with torch.save"
        )
    if "data.pkl" in inside:  # a checkpoint, whatever is wrong with it
        return None
    if names and all(name.endswith(".npy") for name in names):
        return "an .npz file of NumPy; save the state_dict with torch.save"
    shown = f", which holds {names[0]}" if names else " without a file in it"
    return f"a zip archive{shown}; unpack it, and name the checkpoint"


def _text(head: bytes) -> str | None:
    """Return that a file is a text, None where it is none."""
    if not head.isascii() or any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return None
    return "a text; name the file of the weights, such as a .pth"


def is_safetensors_content(path: Path) -> bool:
    """Return whether a file begins as a safetensors file does: a length, then JSON in braces."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
        size = path.stat().st_size
    except OSError:
        return False
    length = int.from_bytes(head[:8], "little")
    return len(head) == 9 and head[8:] == b"{" and 2 <= length <= size - 8


def is_torch_content(path: Path) -> bool:
    """Return whether a file begins as one of torch does: a zip archive, or a pickle's protocol."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return False
    return head == b"PK\x03\x04" or head[:2] == b"\x80\x02"
