"""Run the study on any data: pre-training against training from scratch, on the same folds.

Example: python tools/run_study.py --data my.csv --images photos --group patient_id

Without --data it is the study of ISIC-2019 on the challenge's own lists (ISIC_ROOT names the
images), or with --demo on synthetic images.

The variables of the environment and all further options are those of
train_SSL_with_finetuning_ISIC2019.sh.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the description of the data; the other arguments are the study's."""
    from mmselfsup.utils.cli import ArgumentParser  # by the path that is set below

    parser = ArgumentParser(
        description=__doc__,
        epilog=shared_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data",
        help="Use this data: a CSV file, a list, a MedMNIST file, a folder with one folder for "
        "each class, a description (YAML), or a name of configs/study_data.",
    )
    parser.add_argument("--root", type=Path, help="Search the files of a description here.")
    parser.add_argument("--images", nargs="+", metavar="FOLDER", help="Read the images from here.")
    parser.add_argument("--image-column", metavar="NAME", help="Take file names from this column.")
    parser.add_argument("--label-column", metavar="NAME", help="Take labels from this column.")
    parser.add_argument(
        "--group", metavar="COLUMN", help="Never divide what this column has in common (patients)."
    )
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="Number the classes so.")
    parser.add_argument("--name", help="Call the data so in the report.")
    parser.add_argument("--licence", help="State this licence of the images in the report.")
    parser.add_argument(
        "--group-words",
        nargs=2,
        metavar=("ONE", "SEVERAL"),
        help="Call a group so in the report (default: group groups).",
    )
    parser.add_argument(
        "--value-range",
        nargs=2,
        type=float,
        metavar=("BLACK", "WHITE"),
        help="Make these values 0 and 255, for files with more than 8 bits.",
    )
    return parser.parse_known_args(argv)


def shared_help() -> str:
    """Return what the script of ISIC-2019 says of the variables and options of every study."""
    text = (ROOT / "train_SSL_with_finetuning_ISIC2019.sh").read_text(encoding="utf-8")
    start = text.index("Environment  ")
    return text[start : text.index("\nTEXT\n", start)]


def main(args: argparse.Namespace, others: list[str]) -> int:
    """Run the study; return the exit status.

    Raises:
        UserError: Something that was given can't be used, or a training failed.
    """
    if args.data is None:
        return without_data(args, others)
    from dataclasses import replace

    from mmselfsup.apis.study_data.source_use import used_source
    from mmselfsup.study import descriptions
    from mmselfsup.study.cli import make_parser
    from mmselfsup.utils.errors import UserError
    from mmselfsup.utils.repository import study_root

    root = study_root(ROOT)
    # Misspelt options before the images are measured, which may take minutes.
    make_parser("tools/run_study.py").parse_intermixed_args(others)
    for images in args.images or ():
        if not Path(images).is_dir():
            raise UserError(f"--images {images}: there is no such folder")
    description, folder = descriptions.find_description(args.data, ROOT)
    given = {
        "images": args.images and [str(Path(one).absolute()) for one in args.images],
        "image_column": args.image_column,
        "label_column": args.label_column,
        "group_column": args.group,
        "classes": args.classes,
        "name": args.name,
        "group": args.group_words or (["group", "groups"] if args.group else None),
        "value_range": args.value_range,
        "licence": args.licence,
    }
    made = descriptions.make_description(
        {"name": description.name, **{k: v for k, v in given.items() if v}}, "command line"
    )
    description = replace(description, **{k: getattr(made, k) for k, v in given.items() if v})
    folder = (args.root or folder).absolute()
    full = os.environ.get("SIZE") or "224"
    size = int(full) if full.isdecimal() else 224
    place = root / "work_dirs" / description.folder / "source"
    with used_source(description, folder, place, size, descriptions.NAMES) as facts:
        print(f"{description.name}: {facts['prepared']}", flush=True)
        run(description, facts, root, place, others)
    return 0


def run(
    description: Any, facts: dict[str, Any], root: Path, place: Path, others: list[str]
) -> None:
    """Run the study of a data set whose source folder is ready.

    Args:
        description: The data set.
        facts: The content of its ``source.json``.
        root: The repository.
        place: The source folder.
        others: The study's own arguments.

    Raises:
        UserError: Something that was given can't be used, or a training failed.
    """
    from mmselfsup.study import descriptions
    from mmselfsup.study.cli import parse
    from mmselfsup.study.report.words import words_of, write_words
    from mmselfsup.utils.study_data import Words

    data = descriptions.study_data(description, facts["classes"])
    env = {**os.environ, data.root_variable: str(place)}
    request = parse(others, env, root, data)  # its paths are relative to the current folder
    os.chdir(root)  # the printed commands have paths relative to it
    request = request.with_options(descriptions.training_options(place.relative_to(root)))
    request.work_dir.mkdir(parents=True, exist_ok=True)
    stated = facts["prepared"], description.licence, data.lists
    words = Words(description.name, *data.group, *stated)
    for said in (request.work_dir, place):  # reports, and tools that read the tables of the source
        write_words(said, words)

    from mmselfsup.study.pipeline import run_sweep

    with words_of(request.work_dir):
        run_sweep(request)


def without_data(args: argparse.Namespace, others: list[str]) -> int:
    """Run the study of ISIC-2019 on the challenge's own lists; return the exit status.

    Raises:
        UserError: No data are named, or options describe data that are not named.
    """
    import runpy

    from mmselfsup.utils.errors import UserError

    described = [f"--{name.replace('_', '-')}" for name, value in vars(args).items() if value]
    if described:
        raise UserError(f"{', '.join(described)}: name the data, too: --data TABLE_OR_FOLDER")
    if not os.environ.get("ISIC_ROOT") and "--demo" not in others:
        raise UserError(
            "which data? --data names a table, a folder or a description (such as ham10000); "
            "ISIC_ROOT names the files of ISIC-2019; --demo needs none"
        )
    tool = ROOT / "tools" / "isic2019" / "run_study.py"
    sys.argv = [str(tool), *others]
    return int(runpy.run_path(str(tool))["main"]())


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: forks need a single thread
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))
    args, others = parse_args(sys.argv[1:])

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args, others))
