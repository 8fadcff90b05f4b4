"""The settings of ``evaluation`` against what its data set measures, before the first step.

Letters: C classes.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from mmcv.runner import Hook
from torch import Tensor, nn

from mmselfsup.core.hooks.eval_hook import rule_of_best
from mmselfsup.core.hooks.frozen_features_hook import isolated_eval
from mmselfsup.metrics.classification import MANY_CLASSES, is_fact
from mmselfsup.metrics.direction import GREATER, better, is_own
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.seed import rng_untouched

# They decide which checkpoint is best, and nothing else.
_KEYS = ("greater_keys", "less_keys")
_OF_THE_BEST = ("rule", *_KEYS, "out_dir", "file_client_args")


def measured_names(model: nn.Module, dataset: Any, evaluation: Mapping[str, Any]) -> list[str]:
    """Return the names of all metrics of an evaluation, from the scores of one image.

    They are none where this fails: the evaluation itself reports the reason when it runs.

    Args:
        model: The model.
        dataset: The data set that is evaluated.
        evaluation: The config.
    """
    with suppress(Exception), rng_untouched(), isolated_eval(model), torch.no_grad():
        device = next(model.parameters()).device
        batch = {k: _one(v, device) for k, v in dataset[0].items() if k != "label"}
        scores = unwrap(model)(mode="test", **batch)
        results = {name: np.repeat(s.numpy(), len(dataset), 0) for name, s in scores.items()}
        options = {key: value for key, value in evaluation.items() if key != "bootstrap"}
        if evaluation.get("bootstrap"):
            options["bootstrap"] = 2  # enough for the names
        return [n for n in dataset.evaluate(results, logger=None, **options) if not is_fact(n)]
    return []


def _one(value: Any, device: torch.device) -> Tensor:
    """Return a value of a sample as a batch of one."""
    return torch.as_tensor(value)[None].to(device)  # [1, ...]


def check_metrics(
    names: list[str], evaluation: Mapping[str, Any], hooks: Iterable[Hook] = ()
) -> None:
    """Check the metrics that the best checkpoint, and hooks that watch one, are chosen by.

    Args:
        names: What is measured, see ``measured_names``; empty where unknown.
        evaluation: The config.
        hooks: The other hooks of the run; ``EarlyStoppingHook`` has a ``plateau``.

    Raises:
        UserError: A metric is not measured, no rule is given where its name tells none, or the
            rule keeps the worst of it. Metrics of others may mean something else by their names:
            they get a warning in place of the latter.
    """
    wanted = evaluation.get("save_best")
    if wanted not in (None, "auto"):
        _check_name("evaluation.save_best", wanted, names)
    best = names[0] if wanted == "auto" and names else wanted
    if best is not None:
        rule = evaluation.get("rule")
        if rule is None and best != "auto":
            keys = {key: evaluation[key] for key in _KEYS if evaluation.get(key) is not None}
            rule_of_best(best, **keys)
        _check_rule("evaluation.rule", best, rule)
    for hook in hooks:
        plateau = getattr(hook, "plateau", None)
        if plateau is not None:
            _check_name(f"{type(hook).__name__}.monitor", plateau.monitor, names)
            _check_rule(f"{type(hook).__name__}.rule", plateau.monitor, plateau.rule)


def _check_name(place: str, wanted: str, names: list[str]) -> None:
    """Check that a metric is measured."""
    if not names or wanted in names:
        return
    close = get_close_matches(str(wanted), names, n=1, cutoff=0.7)
    hint = f"did you mean {close[0]!r}? " if close else ""
    # Those of single classes have names such as per_class/melanoma/sensitivity.
    shown = [name for name in names if "/" not in name]
    more = f" and {len(names) - len(shown)} of single classes" if len(shown) < len(names) else ""
    raise UserError(f"{place} is {wanted!r}; {hint}the data set measures {', '.join(shown)}{more}")


def _check_rule(place: str, metric: str, rule: str | None) -> None:
    """Check that a rule doesn't keep the worst of a metric whose name says what is better."""
    meant = better(metric)
    if rule is None or meant is None or rule == meant:
        return
    line = (
        f"{place}={rule!r} with {metric!r} takes the worst for the best: more of it is "
        f"{'better' if meant == GREATER else 'worse'}; leave the rule out, or set {meant!r}"
    )
    if is_own(metric):
        raise UserError(line)
    logging.getLogger("mmselfsup").warning("%s, unless the metric is meant otherwise", line)


def without_effect(
    evaluation: Mapping[str, Any], dataset: Any, num_classes: int | None
) -> Iterator[str]:
    """Yield the settings of an evaluation that change nothing.

    Args:
        evaluation: The config.
        dataset: The data set that is evaluated.
        num_classes: Classes of the model; None where unknown.
    """
    if not evaluation.get("save_best"):
        for key in _OF_THE_BEST:
            if evaluation.get(key) is not None:
                yield f"evaluation.{key} has no effect without evaluation.save_best"
    elif evaluation.get("rule"):
        for key in _KEYS:
            if evaluation.get(key) is not None:
                yield f"evaluation.{key} has no effect beside evaluation.rule: take one of them out"
    labels = getattr(dataset, "gt_labels", None)
    if labels is not None and np.ndim(labels) == 2:
        yield from _of_one_label(evaluation)
    elif num_classes is not None:
        yield from _of_classes(evaluation, num_classes)


def _of_one_label(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that need images of one class each."""
    for key in ("topk", "unk_threshold", "bootstrap"):
        if evaluation.get(key):
            yield (
                f"evaluation.{key}={evaluation[key]!r} has no effect: an image may be of several "
                "classes (mAP, AUC and F1 of each class are measured); take it out"
            )


def _of_classes(evaluation: Mapping[str, Any], num_classes: int) -> Iterator[str]:
    """Yield the settings that don't fit the number of classes."""
    threshold = evaluation.get("unk_threshold")
    if threshold is not None and threshold <= 1 / num_classes:
        yield (
            f"evaluation.unk_threshold={threshold:g} has no effect: the highest probability of "
            f"{num_classes} classes is never below {1 / num_classes:.3g}; raise it"
        )
    total = num_classes + (threshold is not None)
    topk = evaluation.get("topk") or ()
    beyond = [k for k in ((topk,) if isinstance(topk, int) else topk) if k > total]
    if beyond:
        yield (
            f"evaluation.topk: {', '.join(map(str, beyond))} has no effect, there are "
            f"{counted(total, 'class')}"
        )
    if evaluation.get("bootstrap") and total >= MANY_CLASSES:
        yield (
            f"evaluation.bootstrap has no effect: with {MANY_CLASSES} classes or more there are "
            "no intervals"
        )
