"""The rows of the table for each measurement of ``scale.py``: what is shown, and the goals.

A measurement has one function, which gets its settings and its figures, and is found by its name in
``ROWS``. Figures are in MiB and seconds, ratios in sizes of what they are compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from results import Row

Figures = dict[str, float]
Settings = dict[str, int]


@dataclass(frozen=True)
class Subject:
    """What was measured, and its figures.

    Attributes:
        what: Beginning of the name of each of its rows.
        found: The figures by their names.
    """

    what: str
    found: Figures

    def number(
        self, name: str, key: str, unit: str, most: float | None = None, details: str = ""
    ) -> Row:
        """Return a row of one figure, whose goal is to be at most ``most``; unit ``x``: a ratio."""
        number = self.found[key]
        shown = f"{number:.2f}x" if unit == "x" else f"{number:,.1f} {unit}"
        wanted = "" if most is None else f"{most:,g}{'x' if unit == 'x' else f' {unit}'}"
        met = None if most is None else number <= most
        return Row(f"{self.what}: {name}", shown, "", wanted, met, details)

    def time(self, name: str, most: float | None = None, details: str = "") -> Row:
        """Return a row of a time, whose goal in seconds the CPU time decides."""
        wanted = "" if most is None else f"{most:g} s"
        met = None if most is None else self.found["cpu"] <= most
        wall, cpu = (f"{self.found[key]:.1f} s" for key in ("seconds", "cpu"))
        return Row(f"{self.what}: {name}", wall, "", wanted, met, details, cpu)


def _list(settings: Settings, found: Figures) -> list[Row]:
    images = settings["images"]
    million = images == 1_000_000
    most = 64 if million else 1024 if images == 14_000_000 else None
    of = Subject(f"list of {images:,} images", found)
    rows = [
        of.number("memory of a rank", "memory", "MiB", most, "names and labels"),
        of.number("highest while reading", "peak", "MiB"),
    ]
    if images <= 2_000_000:
        details = "each image asked for once, in a forked process"
        rows.append(of.number("private memory of a worker", "worker", "MiB", 5, details))
    return [*rows, of.time("reading", 1.5 if million else None)]


def _list_checks(settings: Settings, found: Figures) -> list[Row]:
    of = Subject(f"files of a list of {settings['images']:,} images", found)
    return [
        of.number("looked up, highest memory", "peak", "MiB", None, "beside the list"),
        of.time("looked up", None, "listed files there, files on no list"),
        of.number("list and labels described, highest", "described_peak", "MiB"),
    ]


def _shard_index(settings: Settings, found: Figures) -> list[Row]:
    of = Subject(f"index of shards, {settings['images']:,} images", found)
    details = f"beside {found['mapped']:,.0f} MiB of the file, mapped and shared"
    asked = "a million images asked for, in a forked process"
    return [
        of.number("memory of a rank", "memory", "MiB", 64, details),
        of.time("reading", 1.5),
        of.number("private memory of a worker", "worker", "MiB", 5, asked),
    ]


def _shards(settings: Settings, found: Figures) -> list[Row]:
    kilobytes = f"{found['kilobytes']:.0f} kB"
    of = Subject(f"{settings['images']:,} JPEG files of 600x450, {kilobytes}", found)
    rows = []
    for key, words in (("", "bytes"), ("_pixels", "decoded")):
        ours, theirs = found[f"shards{key}"], found[f"folder{key}"]
        peaks = found[f"shards{key}_peak"], found[f"folder{key}_peak"]
        details = (
            f"by CPU time: {1e6 / ours:,.0f} against {1e6 / theirs:,.0f} images/s; "
            f"highest memory {peaks[0]:.1f} against {peaks[1]:.1f} MiB"
        )
        what = f"{of.what}: {words}, from shards against the folder"
        rows.append(Row(what, f"{theirs / ours:.2f}x", "", "", None, details))
    return [*rows, of.number("CPU time of writing an image to shards", "written", "us")]


def _features(settings: Settings, found: Figures) -> list[Row]:
    size = f"{settings['rows']:,} x {settings['width']}"
    of = Subject(f"features {size} of {settings['ranks']} ranks", found)
    return [
        of.number("highest on rank 0", "first", "x", 1.2, "of the whole matrix"),
        of.number("highest on the others", "other", "x", None, "of the whole matrix"),
    ]


def _whitening(settings: Settings, found: Figures) -> list[Row]:
    of = Subject(f"whitening {settings['rows']:,} x {settings['width']}", found)
    details = "beside features and result; does not depend on their number"
    return [of.number("memory", "peak", "MiB", 512, details), of.time("time")]


def _neighbours(settings: Settings, found: Figures) -> list[Row]:
    size = f"{settings['rows']:,} x {settings['width']}"
    of = Subject(f"k-NN of {settings['queries']} among {size}", found)
    details = "beside the features; bounded by the similarities of a part"
    return [of.number("memory", "peak", "MiB", None, details), of.time("time")]


def _nt_xent(settings: Settings, found: Figures) -> list[Row]:
    of = Subject(f"NT-Xent, {settings['ranks']} ranks x {settings['images']} images", found)
    details = "one rank, forward and backward; the rows of the others made up"
    return [of.number("memory", "peak", "MiB", 512, details), of.time("time")]


def _bank(settings: Settings, found: Figures) -> list[Row]:
    of = Subject(f"NPID, bank of {settings['images']:,} x {settings['width']}", found)
    size = 4 * settings["images"] * settings["width"] / 2**20
    details = f"bank: {size:,.0f} MiB; batch {settings['batch']}"
    return [
        of.number("memory of a step beside it", "peak", "MiB", None, details),
        of.number("highest while the table is made", "table_peak", "MiB"),
        of.number("CPU time of the table", "table_seconds", "s"),
    ]


def _large_image(settings: Settings, found: Figures) -> list[Row]:
    small = f"{settings['images'] - 1} images of 500x375"
    of = Subject(f"device_transforms, {small} and one of 4000x3000", found)
    details = f"{found['usual']:.1f} MiB without the large one"
    return [
        of.number("bytes of the batch", "sent", "MiB", None, details),
        of.number("highest with the crops", "peak", "MiB"),
    ]


def _resume(settings: Settings, found: Figures) -> list[Row]:
    skipped = f"{int(found['skipped']):,} of {settings['images']:,} images"
    details = f"{int(found['decoded'])} images read: those of the first batch"
    return [Subject(f"resuming after {skipped}", found).time("time to the first batch", 2, details)]


def _checkpoint(settings: Settings, found: Figures) -> list[Row]:
    of = Subject(f"resuming from a checkpoint of {found['megabytes']:,.0f} MiB", found)
    details = "beside model and optimizer, without pages of the mapped file"
    return [
        of.number("memory", "peak", "MiB", None, details),
        of.number("read", "read", "x", 1.01, "of the file; for its checksums"),
        of.time("time"),
    ]


#: The function that makes the rows of each measurement.
ROWS: dict[str, Callable[[Settings, Figures], list[Row]]] = {
    "list": _list,
    "list_checks": _list_checks,
    "shard_index": _shard_index,
    "shards": _shards,
    "features": _features,
    "whitening": _whitening,
    "neighbours": _neighbours,
    "nt_xent": _nt_xent,
    "bank": _bank,
    "large_image": _large_image,
    "resume": _resume,
    "checkpoint": _checkpoint,
}


def rows_of(name: str, settings: Settings, found: Figures) -> list[Row]:
    """Return the rows of a measurement.

    Args:
        name: A key of ``ROWS``.
        settings: The settings that it was measured with.
        found: What its worker sent.
    """
    return ROWS[name](settings, found)
