"""Which overrides go to the config of the model, which to that of the data sets."""

from collections.abc import Iterable

from mmcv import Config


def split_options(options: Iterable[str], data_cfg: Config) -> tuple[list[str], list[str]]:
    """Share ``--cfg-options`` out over the two configs.

    A key whose first part stands in the data set config (``data``, ``img_norm_cfg``) goes there,
    any other to the model's. In ``data.*.KEY`` the star stands for every data set of the config.

    Args:
        options: ``KEY=VALUE``.
        data_cfg: the data set config.

    Returns:
        The options of the model's config and those of the data sets'.
    """
    model, data = [], []
    parts = [part for part in ("train", "val", "test") if (data_cfg.get("data") or {}).get(part)]
    for option in options:
        key = option.partition("=")[0]
        if key.startswith("data.*."):
            data += [option.replace("*", part, 1) for part in parts]
        elif key.split(".")[0] in data_cfg:
            data.append(option)
        else:
            model.append(option)
    return model, data
