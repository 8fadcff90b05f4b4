"""The images of the pre-trainings: the training list of the fold, or its test list, too."""

from __future__ import annotations

from mmselfsup.utils.files import atomic_write_text, sha256

from .settings import ALL, StudySettings


def write_ssl_list(settings: StudySettings) -> None:
    """Join the training and the test list for pre-trainings on all images; otherwise do nothing.

    Each image is listed once. Labels of test images are left out: no method needs them, and
    labels that are not in the list can't be learned from it.

    Raises:
        UserError: A list can't be read, or the joined one can't be written.
    """
    if settings.ssl_on != ALL:
        return
    from mmselfsup.datasets.data_sources.lists import NO_LABEL, read_list  # loads torch

    train, test = (read_list(str(settings.split(part))) for part in ("train", "test"))
    names = {entry.name for entry in train}  # the user's own lists may overlap
    added = [entry.name for entry in test if entry.name not in names]
    lines = [(entry.name, entry.label) for entry in train] + [(name, NO_LABEL) for name in added]
    atomic_write_text(settings.ssl_list, "".join(f"{name} {label}\n" for name, label in lines))
    print(
        f"\nPre-training sees all images: {len(train)} of the training list and {len(added)} of "
        f"the test list, without their labels ({settings.ssl_list})",
        flush=True,
    )


def ssl_images_facts(settings: StudySettings) -> dict[str, str]:
    """Return what a pre-training depends on: the hash of each list, and whether it sees all."""
    parts = ("train", "test") if settings.ssl_on == ALL else ("train",)
    facts = {f"{part} images": sha256(settings.split(part))[:16] for part in parts}
    # Only where it is not the default, so that stamps of older versions stay valid.
    return {**facts, "--ssl-on": ALL} if settings.ssl_on == ALL else facts
