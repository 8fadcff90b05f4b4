"""Kill or stop trainings and evaluations at random instants, call them again, compare.

Each trial starts a command line in a fresh folder, kills all of its processes with SIGKILL at a
random instant of its work, starts it again (and may kill it again) until it ends by itself. Then
every file must be equal to that of a run that was left alone: weights, optimizer, random state and
meta data of the checkpoints, backbone.pth, the best checkpoint, metrics, the evaluations in the
logs; and no temporary file may be left. The exit code is 1 if anything differs.

In the scenarios ``stop1`` and ``stop2`` the training is asked to stop instead: SIGTERM, SIGUSR1 or
SIGINT to one of its processes, or to all of them, loader workers included. The line of a call whose
exit codes are not all 75 is printed.

The processes are forks of this one, which has loaded the packages: most of a trial is work.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

import numpy as np
import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import mmselfsup.apis.test  # noqa: E402
import mmselfsup.apis.train  # noqa: E402, F401
from mmselfsup.utils.errors import STOPPED  # noqa: E402
from mmselfsup.utils.json_log import read_log  # noqa: E402
from tests.distributed.ranks import free_port  # noqa: E402
from tests.tools.command import _be_tool  # noqa: E402
from tests.tools.conftest import BASE, CLASSIFIER, SIMCLR  # noqa: E402

torch.set_num_threads(1)
EPOCHS = 4
_fork = multiprocessing.get_context("fork")
_RESUMED = re.compile(r"^resume_from = .*$", re.MULTILINE)
#: Kills in one trial at most.
MAX_KILLS = 3


@dataclass(frozen=True)
class Scenario:
    """A command line, and what it leaves.

    Attributes:
        name: Its name.
        argv: Script and arguments; ``{out}`` stands for the output.
        ranks: Number of processes.
        stopped: Whether it is asked to stop by a signal and not killed.
    """

    name: str
    argv: tuple[str, ...]
    ranks: int = 1
    stopped: bool = False


_TRAIN = ("--work_dir", "{out}", "--auto-resume", "--seed", "0")
# Signals for all processes reach the workers of a loader, too.
_WORKER = (*_TRAIN, "--cfg-options", "data.workers_per_gpu=1", "runner.max_epochs=12")
SCENARIOS = (
    Scenario("pretrain1", ("train.py", "simclr.py", *_TRAIN)),
    Scenario("pretrain2", ("train.py", "simclr.py", *_TRAIN, "--launcher", "pytorch"), 2),
    Scenario("finetune1", ("train.py", "classifier.py", *_TRAIN)),
    Scenario("finetune2", ("train.py", "classifier.py", *_TRAIN, "--launcher", "pytorch"), 2),
    Scenario("stop1", ("train.py", "simclr.py", *_WORKER), 1, stopped=True),
    Scenario(
        "stop2", ("train.py", "simclr.py", *_WORKER, "--launcher", "pytorch"), 2, stopped=True
    ),
    Scenario(
        "evaluate1", ("test.py", "classifier.py", "finetune1/latest.pth", "--out", "{out}.npz")
    ),
)


def prepare(place: Path) -> None:
    """Write images, a list and two configs; each epoch has three iterations."""
    rng = np.random.default_rng(0)
    (place / "images").mkdir()
    for number in range(12):
        pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{number}.jpg")
    (place / "list.txt").write_text("".join(f"{n}.jpg {n % 3}\n" for n in range(12)))
    common = BASE + f"runner = dict(type='EpochBasedRunner', max_epochs={EPOCHS})\n"
    kept = "checkpoint_config = dict(interval=1, max_keep_ckpts=2)\n"
    # Inside epochs as well.
    (place / "simclr.py").write_text(
        common + SIMCLR + "checkpoint_config = dict(interval=2, by_epoch=False)\n"
    )
    best = "evaluation = dict(interval=1, save_best='balanced_accuracy')\n"
    (place / "classifier.py").write_text(common + CLASSIFIER + kept + best)


class Call:
    """One start of a command line, in as many processes as it has ranks."""

    def __init__(self, scenario: Scenario, place: Path, out: str) -> None:
        argv = [arg.format(out=out) for arg in scenario.argv]
        port = str(free_port())
        self.text = [place / f"{out}.rank{rank}.txt" for rank in range(scenario.ranks)]
        self.processes = []
        for rank in range(scenario.ranks):
            env = {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
            env.update(WORLD_SIZE=str(scenario.ranks), MASTER_PORT=port)
            args = (argv, place, self.text[rank], env if scenario.ranks > 1 else {})
            process = _fork.Process(target=_run, args=args)
            process.start()
            self.processes.append(process)

    def wait(self) -> list[int]:
        """Wait until all ranks have ended; return their exit codes."""
        for process in self.processes:
            process.join(120)
            if process.is_alive():
                self.kill()
                raise SystemExit(f"a process hangs, see {self.text[0].parent}")
        return [int(process.exitcode or 0) for process in self.processes]

    def stop(self, rng: random.Random) -> None:
        """Ask the training to stop: send a signal to one rank, or to all that it has started."""
        number = rng.choice((signal.SIGTERM, signal.SIGUSR1, signal.SIGINT))
        reached = self.processes if rng.random() < 0.5 else [rng.choice(self.processes)]
        send = os.killpg if reached is self.processes else os.kill
        for process in reached:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                send(int(process.pid or 0), number)
        codes = self.wait()
        if set(codes) not in ({STOPPED}, {0}):
            texts = "\n".join(path.read_text()[-1500:] for path in self.text)
            print(f"{number.name} to {len(reached)}: exit codes {codes}\n{texts}", flush=True)

    def kill(self) -> None:
        """Kill all ranks and what they have started."""
        for process in self.processes:
            try:
                os.killpg(int(process.pid or 0), signal.SIGKILL)
            except ProcessLookupError:  # it has ended, or has not begun
                process.kill()
        for process in self.processes:
            process.join()


def _run(argv: list[str], place: Path, output: Path, env: dict[str, str]) -> None:
    os.setpgid(0, 0)
    _be_tool(ROOT / "tools" / argv[0], tuple(argv[1:]), place, output, env)


def wait_for_start(place: Path, out: str, logs: int) -> None:
    """Wait until a training has opened its log, behind which its work begins."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if out and len(list((place / out).glob("*.log"))) > logs:
            return
        time.sleep(0.002)


def trial(scenario: Scenario, place: Path, out: str, duration: float, rng: random.Random) -> int:
    """Kill or stop a command at random instants and let it end; return how often."""
    training = scenario.argv[0] == "train.py"
    planned, kills = rng.randint(1, MAX_KILLS), 0
    while kills < planned:
        logs = len(list((place / out).glob("*.log")))
        call = Call(scenario, place, out)
        if training:
            wait_for_start(place, out, logs)
        time.sleep(rng.uniform(0, duration))
        if not any(process.is_alive() for process in call.processes):
            call.wait()
            break  # it was faster: nothing to kill any more
        if scenario.stopped:
            call.stop(rng)
        else:
            call.kill()
        kills += 1
    codes = Call(scenario, place, out).wait()
    if any(codes):
        texts = "\n".join(path.read_text()[-3000:] for path in texts_of(place, out))
        raise SystemExit(f"{scenario.name}, {out}: exit codes {codes}\n{texts}")
    return kills


def texts_of(place: Path, out: str) -> list[Path]:
    return sorted(place.glob(f"{out}.rank*.txt"))


def state_of(place: Path, out: str) -> dict[str, Any]:
    """Return the names and contents of all that a command left."""
    scores = place / f"{out}.npz"
    if scores.exists():
        with np.load(scores) as file:
            return {name: file[name].tolist() for name in file.files}
    folder, found = place / out, {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.suffix == ".pth":
            found[name] = plain(torch.load(path, weights_only=True), out)
        elif path.suffix == ".json" and path.parent != folder:
            found[name] = path.read_text()
        elif path.name.startswith("."):
            found[name] = "temporary"
    found["evaluations"] = read_log(folder).val_curve("balanced_accuracy")
    return found


def plain(value: Any, out: str) -> Any:
    """Return values that ``==`` compares (nan equals nan), without the name of the folder."""
    if isinstance(value, dict):  # env_info describes the machine and code of one call
        return {key: plain(item, out) for key, item in value.items() if key != "env_info"}
    if isinstance(value, list | tuple):
        return [plain(item, out) for item in value]
    if isinstance(value, Tensor):
        return (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, str):  # the config in a checkpoint says what the run was resumed from
        return _RESUMED.sub("", value.replace(out, "OUT"))
    return value


def differences(one: Any, two: Any, where: str = "") -> list[str]:
    """Return where two results differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        names = sorted({*one, *two}, key=str)
        parts = [differences(one.get(n), two.get(n), f"{where}/{n}") for n in names]
        return [line for part in parts for line in part]
    return [] if one == two else [where]


def torture(scenario: Scenario, place: Path, kills: int, rng: random.Random) -> tuple[int, int]:
    """Run one scenario until it was killed often enough; return trials and those that differ."""
    began = time.monotonic()
    reference = Call(scenario, place, scenario.name)
    if scenario.argv[0] == "train.py":
        wait_for_start(place, scenario.name, 0)
        began = time.monotonic()
    codes = reference.wait()
    if any(codes):
        raise SystemExit(f"{scenario.name}: {codes}\n{reference.text[0].read_text()[-3000:]}")
    duration = time.monotonic() - began
    wanted, done, trials, bad = state_of(place, scenario.name), 0, 0, 0
    while done < kills and trials < 3 * kills:
        out = f"{scenario.name}_{trials:03d}"
        done += trial(scenario, place, out, duration, rng)
        wrong = differences(wanted, state_of(place, out))
        trials, bad = trials + 1, bad + bool(wrong)
        for line in wrong[:10]:
            print(f"DIFFERS: {out}{line}", flush=True)
    what = "stops" if scenario.stopped else "kills"
    print(
        f"{scenario.name}: {done} {what} in {trials} trials ({duration:.1f} s undisturbed), "
        f"{bad} differ",
        flush=True,
    )
    return done, bad


def main(read: Callable[[], argparse.Namespace]) -> int:
    """Run all scenarios; return 1 if a trial differs."""
    args = read()
    seed = random.SystemRandom().randrange(2**31) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    chosen = [s for s in SCENARIOS if not args.only or s.name in args.only]
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        prepare(Path(folder))
        results = [torture(s, Path(folder), args.kills, rng) for s in chosen]
    kills, bad = (sum(column) for column in zip(*results, strict=True))
    print(f"{kills} kills and stops, {bad} trials differ", flush=True)
    return int(bad > 0)


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="kills (stops) of each scenario")
    parser.add_argument("--seed", type=int, help="of the instants; drawn and printed by default")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", nargs="*", choices=names, help="scenarios, default all")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(read_arguments))
