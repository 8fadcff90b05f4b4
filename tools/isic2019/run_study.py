"""Run the ISIC-2019 study; called by train_SSL_with_finetuning_ISIC2019.sh, which explains it."""

import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    from mmselfsup.study.arguments import parse

    request = parse(sys.argv[1:], os.environ, ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that running trainings end, too
    os.chdir(ROOT)  # the paths in the commands that are printed start here

    from mmselfsup.study.campaign import run

    run(request)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: forks need a single thread
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))

    from mmselfsup.utils.errors import run_cli

    run_cli(main)
