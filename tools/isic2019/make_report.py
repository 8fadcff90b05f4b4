"""Write report.html again from the results.json and the logs of a study."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work_dir", help="work directory of the study (it holds results.json)")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from pathlib import Path

    from mmselfsup.study.report import write_report
    from mmselfsup.study.results import read_results
    from mmselfsup.study.table import print_results

    print_results(read_results(Path(args.work_dir) / "results.json"))
    print(f"Report: {write_report(Path(args.work_dir))}")


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
