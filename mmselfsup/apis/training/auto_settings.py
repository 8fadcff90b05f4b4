"""Settings derived from the number of images and the memory: ``auto_settings=True``, ``--auto``.

``RULES`` is the whole knowledge: the name of a setting, where a config has it, and its value with
the reason. A setting that the command line or ``auto_settings=dict(batch=64)`` names stays, one
that a config doesn't have is left out. The log shows a table "setting, was, value, why, set by",
and warnings where a method is known to need more than there is.

The checkpoint keeps the values, so that a resumed run has the same ones on any machine.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmcv import Config
from rich.table import Column

from mmselfsup.config.inspect import has_key
from mmselfsup.config.overrides import parse_options
from mmselfsup.core.checkpoint import meta_of
from mmselfsup.models import ALGORITHMS
from mmselfsup.models.utils.needs import Needs
from mmselfsup.models.utils.queue import fitting_queue_len, power_of_two
from mmselfsup.utils import dist
from mmselfsup.utils.console import console_table, table_text
from mmselfsup.utils.errors import UserError

from .batch_size import batch_in_name, batches_of_a_step
from .step_memory import free_memory, step_memory

NAME = "auto_settings"
#: Image passes of a training from random weights: 100 epochs of ISIC-2019's 25,000 images, as the
#: configs of this project have them.
_PASSES = 2_500_000


@dataclass(frozen=True)
class Facts:
    """What the rules know.

    Attributes:
        images: Images of the training data.
        ranks: Number of processes.
        fitting: Largest batch of a process that fits into the memory, None where it isn't known.
        started: Whether the backbone starts from trained weights.
        method: Class of the algorithm.
        config: The config, with the settings that are derived so far.
        made_for: Images of a step that ``optimizer.lr`` of the config is made for.
    """

    images: int
    ranks: int
    fitting: int | None
    started: bool
    method: Any
    config: Config
    made_for: int

    @property
    def batch(self) -> int:
        """Images of an iteration, over all processes."""
        data = self.config.data
        own = data.get("samples_per_gpu") or data.get("imgs_per_gpu")
        if not own:
            raise UserError("auto_settings: set data.samples_per_gpu")
        return int(own) * self.ranks

    @property
    def step(self) -> int:
        """Images of a step of the optimizer."""
        return self.batch * batches_of_a_step(self.config)


Derived = tuple[Any, str]  # value, why


def _batch(facts: Facts) -> Derived:
    """25 steps an epoch, 32 to 256 images, as far as the memory goes."""
    joined = power_of_two(min(max(facts.images // 25, 32), 256, max(facts.images // 2, 1)))
    own = max(joined // facts.ranks, 2)
    why = f"25 steps an epoch of {facts.images:,} images, 32 to 256"
    if facts.fitting is not None and facts.fitting < own:
        return max(power_of_two(facts.fitting), 2), "the largest that fits into the memory"
    return own, why


def _lr(facts: Facts) -> Derived:
    """Linear in the batch for SGD and LARS (Goyal et al. 2017), its root for Adam."""
    old, factor = facts.config.optimizer.lr, facts.step / facts.made_for
    adam = "adam" in str(facts.config.optimizer.get("type", "")).lower()
    rule = "root of the batch (Adam)" if adam else "linear in the batch"
    value = old * (factor**0.5 if adam else factor)
    why = f"{old:g} is for {facts.made_for} images, a step has {facts.step}: {rule}"
    return float(f"{value:.3g}"), why


def _epochs(facts: Facts) -> Derived:
    """A constant number of image passes: less of them for trained weights."""
    passes = _PASSES // 4 if facts.started else _PASSES
    value = min(max(round(passes / facts.images), 10), 800)
    start = "trained weights" if facts.started else "random weights"
    return value, f"{passes:,} image passes from {start}, 10 to 800 epochs"


def _queue(facts: Facts) -> Derived:
    """At most a quarter of the images, so that an image rarely meets its own last key."""
    return (
        fitting_queue_len(facts.images, facts.batch),
        "a quarter of the images, at least a batch",
    )


def _prototypes(facts: Facts) -> Derived:
    """As many images of each as in the paper: 3000 prototypes for 1.28 million images."""
    value = min(max(round(facts.images / 427), 8), 3000)
    return value, "427 images of each, as 3000 for ImageNet (Caron et al. 2020)"


def _temperature(facts: Facts) -> Derived:
    """Fewer negatives in the batch want a higher temperature (Chen et al. 2020, appendix B.9)."""
    batch = facts.batch
    value = 0.1 if batch >= 2048 else 0.2 if batch >= 128 else 0.5
    return (
        value,
        f"{2 * batch - 2} negatives: 0.1 from 2048 images in a batch, 0.2 from 128, or 0.5",
    )


@dataclass(frozen=True)
class Rule:
    """A setting that can be derived.

    Attributes:
        name: Its name in ``auto_settings``.
        keys: Places in a config, the first that exists counts; ``*`` stands for any hook.
        derive: Function that gives the value and the reason.
        applies: Whether a config wants it, beside having it.
    """

    name: str
    keys: tuple[str, ...]
    derive: Callable[[Facts], Derived]
    applies: Callable[[Config], bool] = lambda cfg: True


def _negatives_in_batch(cfg: Config) -> bool:
    """Return whether a contrastive loss has the other images of the batch as its negatives."""
    stored = any(key in cfg.model for key in ("queue_len", "memory_bank"))
    return cfg.model.get("head", {}).get("type") == "ContrastiveHead" and not stored


#: The settings, in the order in which they are derived: later ones use the batch.
RULES = (
    Rule("batch", ("data.samples_per_gpu",), _batch),
    Rule("lr", ("optimizer.lr",), _lr),
    Rule("epochs", ("runner.max_epochs",), _epochs),
    Rule("queue", ("model.queue_len",), _queue),
    Rule("prototypes", ("model.head.num_prototypes",), _prototypes),
    Rule("temperature", ("model.head.temperature",), _temperature, _negatives_in_batch),
)


@dataclass(frozen=True)
class Setting:
    """A row of the table.

    Attributes:
        key: Place in the config.
        was: The value of the config.
        value: The value that is used.
        why: The reason.
        by: What has set it.
    """

    key: str
    was: Any
    value: Any
    why: str
    by: str


def apply_auto_settings(
    cfg: Config,
    dataset: Any,
    options: Any,
    resumed: Mapping[str, Any] | None,
    logger: logging.Logger,
) -> dict[str, Any]:
    """Derive the settings of a training and set them in its config; a collective.

    Args:
        cfg: The config, whose ``auto_settings`` is True or has fixed values by name.
        dataset: The training data.
        options: The overrides of the command line, whose keys stay.
        resumed: The checkpoint of a run that is resumed, whose values are used.
        logger: Logger of the table and the warnings.

    Returns:
        Values by their place in the config, for the meta data of checkpoints.

    Raises:
        UserError: ``auto_settings`` has an unknown name.
    """
    wish = cfg.get(NAME)
    fixed = dict(wish) if isinstance(wish, Mapping) else {}
    known = [rule.name for rule in RULES]
    if unknown := [name for name in fixed if name not in known]:
        raise UserError(f"auto_settings has no {unknown[0]!r}; it takes {', '.join(known)}")
    kept = dict(meta_of(resumed or {}).get(NAME) or {})
    given = set(options if isinstance(options, Mapping) else parse_options(options or ()))
    # The memory of the first rank counts for all.
    memory = None if kept else dist.on_main(lambda: _fitting(cfg, dataset))
    facts = _facts(cfg, dataset, memory)
    rows = list(_settings(facts, fixed, kept, given))
    logger.info("settings from the data:\n%s", settings_table(rows))
    for text in warnings_of(facts):
        logger.warning("%s", text)
    cfg[NAME] = False  # a config that is written has the values themselves
    cfg.auto_scale_lr = dict(base_batch_size=facts.step, enable=False)
    return {row.key: row.value for row in rows}


def _fitting(cfg: Config, dataset: Any) -> int | None:
    """Return the largest batch that fits into the memory; None where it can't be known."""
    try:
        sample = dataset[0]
    except Exception:  # the loader reports what can't be read
        return None
    memory = step_memory(cfg, sample)
    return None if memory is None else memory.fitting(free_memory())


def _facts(cfg: Config, dataset: Any, fitting: int | None) -> Facts:
    """Return what the rules know of a training."""
    ranks = dist.get_world_size()
    named = (cfg.get("auto_scale_lr") or {}).get("base_batch_size")
    named = named or batch_in_name(getattr(cfg, "filename", None))
    facts = Facts(
        images=getattr(dataset, "num_images", len(dataset)),
        ranks=ranks,
        fitting=fitting,
        started=bool(cfg.get("load_from") or cfg.get("adapt")),
        method=ALGORITHMS.get(cfg.model.type),
        config=cfg,
        made_for=0,
    )
    return replace(facts, made_for=named or facts.step)


def _settings(
    facts: Facts, fixed: Mapping[str, Any], kept: Mapping[str, Any], given: set[str]
) -> Iterator[Setting]:
    """Yield the settings in their order, each set in the config before the next is derived."""
    cfg = facts.config
    for rule in RULES:
        key = next((key for key in rule.keys if _has(cfg, key)), None)
        if key is None or not rule.applies(cfg):
            continue
        was = _get(cfg, key)
        value, why, by = was, "", "--cfg-options"
        if not any(key == option or key.startswith(f"{option}.") for option in given):
            if key in kept:
                value, by = kept[key], "the checkpoint"
            elif rule.name in fixed:
                value, by = fixed[rule.name], NAME
            else:
                value, why = rule.derive(facts)
                by = "the memory" if "memory" in why else "the data"
        cfg.merge_from_dict({key: value})
        yield Setting(key, was, value, why, by)


def _has(cfg: Config, key: str) -> bool:
    """Return whether a config has a key whose value is a number or None."""
    return has_key(cfg, key) and isinstance(_get(cfg, key), int | float | None)


def _get(cfg: Config, key: str) -> Any:
    """Return the value at a dotted key, which exists."""
    value: Any = cfg
    for part in key.split("."):
        value = value[part]
    return value


def warnings_of(facts: Facts) -> Iterator[str]:
    """Yield what published experience says against a training, and what to do instead."""
    needs = getattr(facts.method, "needs", Needs())  # a method from outside may have none
    title = getattr(facts.method, "title", facts.config.model.get("type"))
    if facts.images < needs.images and not facts.started:
        yield (
            f"{title} from random weights needs about {needs.images:,} images, there are "
            f"{facts.images:,} ({needs.why}): {needs.instead}"
        )
    if facts.step < needs.batch:
        yield (
            f"{title} has {facts.step} images in a step, and gets worse below {needs.batch} "
            f"({needs.why}): {needs.instead}"
        )
    for key in ("model.queue_len", "model.memory_bank.length"):
        length = _get(facts.config, key) if _has(facts.config, key) else None
        if length and length > facts.images:
            yield (
                f"{key}={length} is more than the {facts.images:,} images, so that each is its own "
                "negative: leave it to auto_settings, or set None"
            )
    if facts.started and facts.config.get("adapt") is None:
        yield (
            "a training from trained weights changes all of them; with few images "
            "adapt=dict(type='lora') or adapt=dict(type='full', layer_decay=0.75) keeps more"
        )


def settings_table(rows: list[Setting]) -> str:
    """Return the settings as a table: setting, was, value, why, set by."""
    columns = ("setting", "was", "value", "why", "set by")
    table = console_table(Column(name) for name in columns)
    for row in rows:
        table.add_row(row.key, str(row.was), str(row.value), row.why, row.by)
    return table_text(table)
