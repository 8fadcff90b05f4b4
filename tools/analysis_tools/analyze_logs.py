"""Plot curves from the JSON logs of trainings, or sum up their speed.

Examples:
    python tools/analysis_tools/analyze_logs.py plot_curve run/*.log.json --keys loss --out loss.png
    python tools/analysis_tools/analyze_logs.py cal_train_time run/*.log.json
"""

import argparse
import sys
from pathlib import Path
from statistics import fmean, pstdev

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import UserError, run_cli
from mmselfsup.utils.json_log import curve, iteration_times, read_json_log

STYLES = {"dark": "dark_background", "white": "default"}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Analyse the JSON logs of trainings.")
    tasks = parser.add_subparsers(dest="task", required=True)
    plot = tasks.add_parser("plot_curve", help="Plot logged values over the epochs.")
    plot.add_argument("json_logs", nargs="+", help="Read these files *.log.json.")
    plot.add_argument("--keys", nargs="+", default=["loss"], help="Plot these logged keys.")
    plot.add_argument("--title", help="Give the figure this title.")
    plot.add_argument("--legend", nargs="+", help="Give the curves these names, log by log.")
    plot.add_argument("--backend", help="Use this backend of matplotlib.")
    styles = f"Use this style: {', '.join(STYLES)} or one of matplotlib's."
    plot.add_argument("--style", default="dark", help=styles)
    plot.add_argument("--out", help="Write the figure to this file (default: show it).")
    times = tasks.add_parser(
        "cal_train_time", help="Print the seconds of an iteration, epoch by epoch."
    )
    times.add_argument("json_logs", nargs="+", help="Read these files *.log.json.")
    times.add_argument(
        "--include-outliers", action="store_true", help="Also count the first line of an epoch."
    )
    return parser.parse_args(argv)


def plot_curve(args: argparse.Namespace) -> None:
    """Draw one curve for each log and key."""
    import matplotlib as mpl

    backend = args.backend or ("Agg" if args.out else None)
    if backend is not None:
        mpl.use(backend)
    import matplotlib.pyplot as plt

    names = args.legend or [f"{log}_{key}" for log in args.json_logs for key in args.keys]
    if len(names) != len(args.json_logs) * len(args.keys):
        raise UserError(f"--legend has {len(names)} names; there is one curve for each log and key")
    style = STYLES.get(args.style, args.style)
    if style != "default" and style not in plt.style.available:
        raise UserError(f"--style {args.style}: use {', '.join(STYLES)} or one of matplotlib's")
    plt.style.use(style)
    for log in args.json_logs:
        lines = read_json_log(log)
        for key in args.keys:
            epochs, values = curve(lines, key)
            if not values:
                known = sorted({name for line in lines for name in line})
                raise UserError(f"{log} has no {key!r}; it has {', '.join(known)}")
            plt.plot(epochs, values, label=names.pop(0), linewidth=1)
    plt.xlabel("epoch")
    plt.legend()
    if args.title:
        plt.title(args.title)
    if args.out:
        plt.savefig(args.out)
    else:
        plt.show()


def cal_train_time(args: argparse.Namespace) -> None:
    """Print the slowest and the fastest epoch of each log and the mean over all iterations."""
    for log in args.json_logs:
        times = iteration_times(read_json_log(log), args.include_outliers)
        if not times:
            raise UserError(f"{log} has no times of a training")
        means = {epoch: fmean(values) for epoch, values in times.items()}
        slow, fast = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        print(f"-----Analyze train time of {log}-----")
        print(f"slowest epoch {slow}, average time is {means[slow]:.4f} s/iter")
        print(f"fastest epoch {fast}, average time is {means[fast]:.4f} s/iter")
        print(f"time std over epochs is {pstdev(means.values()):.4f}")
        print(f"average iter time: {fmean(t for v in times.values() for t in v):.4f} s/iter\n")


def main() -> None:
    """Run the task that the command line names."""
    args = parse_args()
    {"plot_curve": plot_curve, "cal_train_time": cal_train_time}[args.task](args)


if __name__ == "__main__":
    run_cli(main)
