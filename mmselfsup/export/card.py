"""The model card of an exported network: only facts that were found, in the form of the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .check import Checked
from .description import Description, Preprocessing

#: Facts of a training by their keys, as the card words them.
_FACTS = {
    "config": "Config",
    "epoch": "Epochs trained",
    "iter": "Iterations trained",
    "seed": "Seed",
    "start_weights": "Start weights",
    "mmselfsup_version": "Written by mmselfsup",
    "checkpoint": "Checkpoint",
    "sha256": "SHA-256 of the checkpoint",
}


def model_card(description: Description, reading: str, library: str, checked: Checked) -> str:
    """Return the text of ``README.md``.

    Args:
        description: The network.
        reading: Python that reads the folder.
        library: Name of the library that reads it, for the hub.
        checked: Result of the comparison with the model.
    """
    classifies = description.task == "classification"
    tag = "image-classification" if classifies else "image-feature-extraction"
    kind = "Classifier" if classifies else "Features"
    title = f"{kind} by {description.algorithm} ({description.backbone.get('type', 'network')})"
    lines = ["---", f"library_name: {library}", f"pipeline_tag: {tag}", "tags:", "- mmselfsup",
             "---", "", f"# {title}", ""]  # fmt: skip
    for heading, body in (
        ("Input and output", _interface(description)),
        ("How to read it", ["```python", *reading.splitlines(), "```"]),
        ("Training", _training(description)),
        ("Results", _results(description.metrics)),
        ("Licence", _licence(description)),
        ("Check", [str(checked)]),
    ):
        lines += [f"## {heading}", "", *body, ""]
    return "\n".join(lines)


def _interface(description: Description) -> list[str]:
    """Return lines about preprocessing, output and classes."""
    prepared = description.preprocessing
    height, width = prepared.size
    sides = "any height and width" if description.any_size else f"{height} x {width} pixels only"
    lines = [
        f"- Input: {prepared.channel_order.upper()}, float32 [N, {len(prepared.mean)}, H, W], "
        f"{sides}; used with {height} x {width} ({_resizing(prepared)}).",
        f"- Normalisation: (x - mean) / std of values in 0..1, mean {prepared.mean}, std "
        f"{prepared.std}.",
        f"- Output: `{description.output}` [N, {description.width}], float32.",
    ]
    if prepared.value_range is not None:
        low, high = prepared.value_range
        lines.insert(1, f"- Files of more than 8 bits: values {low:g} to {high:g} become 0 to 255.")
    if description.task == "classification":
        lines.append(f"- Classes, in this order: {', '.join(description.names())}.")
        lines.append("- Test-time augmentation is not part of the network.")
    return lines


def _resizing(prepared: Preprocessing) -> str:
    """Return in words how an image gets its size."""
    resize, how = "no resizing", ", ".join([prepared.interpolation, *_settings(prepared)])
    if isinstance(prepared.resize, int):
        resize = f"shorter side resized to {prepared.resize} pixels ({how})"
    elif prepared.resize is not None:
        resize = f"resized to {prepared.resize[0]} x {prepared.resize[1]} pixels ({how})"
    if prepared.crop is None:
        return resize
    return f"{resize}, centre of {prepared.crop[0]} x {prepared.crop[1]} cut out"


def _settings(prepared: Preprocessing) -> list[str]:
    """Return the further settings of ``Resize``."""
    return [f"{key}={value}" for key, value in prepared.resize_settings.items()]


def _training(description: Description) -> list[str]:
    """Return lines about the training."""
    lines = [f"- Method: {description.algorithm}."]
    lines += [f"- {text}: {description.facts[key]}." for key, text in _FACTS.items()
              if description.facts.get(key) is not None]  # fmt: skip
    if description.data:
        lines.append(f"- Training images: {', '.join(f'`{name}`' for name in description.data)}.")
    backbone = json.dumps(description.backbone, default=str)
    return [*lines, f"- Backbone: `{backbone}`."]


def _results(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a table of each place where metrics were found."""
    if not metrics:
        return ["No measured results were found beside the checkpoint."]
    lines: list[str] = []
    for place, values in metrics.items():
        lines += [f"{place}:", "", "| metric | value |", "|---|---|", *_rows(values), ""]
    return lines[:-1]


def _rows(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row for each metric."""
    for name, value in values.items():
        yield f"| {name} | {value:.4f} |"


def _licence(description: Description) -> list[str]:
    """Return what is known of licences."""
    data = description.licence or "unknown, ask their owner before you pass these weights on"
    return [f"- Training images: {data}.", "- These weights: none is stated."]
