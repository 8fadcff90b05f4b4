"""Inference with a trained model on single images."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from mmcv import Config
from torch import Tensor, nn

from mmselfsup.config.load import merge_options, read_config
from mmselfsup.core.checkpoint import load_weights
from mmselfsup.datasets.data_sources.given_images import Given, GivenImages
from mmselfsup.datasets.pipelines.compose import build_pipeline
from mmselfsup.models import build_algorithm
from mmselfsup.utils.device import to_device
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import module_device
from mmselfsup.utils.patients import encode_patient

# Arguments of a data source that say how a file is read.
_READING = ("color_type", "channel_order", "file_client_args", "value_range")


def init_model(
    config: str | Config,
    checkpoint: str | None = None,
    device: str = "cuda:0",
    options: dict[str, Any] | None = None,
) -> nn.Module:
    """Build a model in eval mode.

    Args:
        config: A config, or the file of one.
        checkpoint: The file of the weights; they are random without one.
        device: The device of the model; without a GPU it is the CPU, with a warning.
        options: Overrides, with dotted keys.

    Returns:
        The model; ``model.cfg`` is the config.

    Raises:
        UserError: The config or the checkpoint can't be used.
    """
    if isinstance(config, str):
        cfg = read_config(config, options or {})
    elif isinstance(config, Config):
        cfg = copy.deepcopy(config)
        merge_options(cfg, options or {})
    else:
        raise TypeError(f"config must be a file name or a Config, got {type(config).__name__}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        warnings.warn(f"no GPU here: the model runs on the CPU, not on {device}", stacklevel=2)
        device = "cpu"
    with config_errors("model"):
        model = build_algorithm(copy.deepcopy(cfg.model))
    if checkpoint is not None:
        load_weights(model, checkpoint)
    model.cfg = cfg
    return model.to(device).eval()


def inference_model(
    model: nn.Module, data: Given, patient: Mapping[str, Any] | None = None
) -> tuple[Tensor, Any]:
    """Return the output of a model for one image, after the test pipeline of the model's config.

    The image is read as the config's data source reads it, and a PIL image as its file: turned
    upright, its mode made RGB. For many images see ``Predictor``.

    Args:
        model: A model of ``init_model``.
        data: The image: its path, a PIL image of any mode, or an array [H, W, 3] or [H, W] (uint8).
        patient: For a head that takes metadata: any of ``age`` (years), ``site`` and ``sex``, see
            ``mmselfsup.utils.patients.encode_patient``; ``{}`` if nothing is known.

    Returns:
        The output of the pipeline, as a batch of one, and the result: scores of a model that can be
        tested, otherwise the features of its backbone.

    Raises:
        UserError: The image can't be read, the config has no test pipeline, the patient has a value
            that ISIC 2019 doesn't have, or the head takes metadata and there is no patient.
    """
    cfg: Any = model.cfg
    reading = reading_options(cfg)
    steps = with_normalisation(cfg, evaluation_pipeline(cfg))
    pipeline = build_pipeline(steps, reading.get("channel_order", "rgb"))
    device = module_device(model)
    image = GivenImages([data], **reading).get_pixels(0)
    sample = pipeline(image)
    batch = torch.utils.data.default_collate([sample])
    img = to_device(batch, device)
    more = {}
    if patient is not None:
        more["patient"] = torch.from_numpy(encode_patient(**patient))[None].to(device)  # [1, D]
    with torch.no_grad():
        try:
            return img, model(img, mode="test", **more)
        except NotImplementedError:
            return img, model(img, mode="extract")


def evaluation_pipeline(cfg: Config) -> list[dict[str, Any]]:
    """Return the pipeline of the data set to test on.

    Raises:
        UserError: The config has none.
    """
    for part in _tested_parts(cfg):
        if part.get("pipeline"):
            return list(part["pipeline"])
    if cfg.get("test_pipeline"):
        return list(cfg.test_pipeline)
    raise UserError("the config has no data.test.pipeline, data.val.pipeline or test_pipeline")


def with_normalisation(cfg: Config, pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a pipeline, completed by what the loader does where it normalises (``prefetch``)."""
    if not cfg.get("prefetch"):
        return pipeline
    norm = {key: cfg.img_norm_cfg[key] for key in ("mean", "std")}
    return [*pipeline, dict(type="ToTensor"), dict(type="Normalize", **norm)]


def reading_options(cfg: Config) -> dict[str, Any]:
    """Return how a config's data source reads its files, as ``GivenImages`` takes it.

    It is the one to test on, or that of the training images where there is no other.
    """
    for part in (*_tested_parts(cfg), (cfg.get("data") or {}).get("train")):
        source = _data_source(part)
        if source is not None:
            return {key: source[key] for key in _READING if key in source}
    return {}


def _data_source(part: Any) -> Mapping[str, Any] | None:
    """Return the first data source in a data set's config, through wrappers; None without one."""
    if isinstance(part, list | tuple):
        return next(filter(None, map(_data_source, part)), None)
    if not isinstance(part, Mapping):
        return None
    source = part.get("data_source")
    inner = (part.get("dataset"), part.get("datasets"))
    return source if isinstance(source, Mapping) else _data_source(inner)


def _tested_parts(cfg: Config) -> list[Any]:
    """Return the configs of the data sets that are no training data, that to test on first."""
    data = cfg.get("data") or {}
    return [data[part] for part in ("test", "val") if data.get(part)]
