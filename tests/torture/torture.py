"""Kill or stop trainings, studies and preparations at random instants, call again, compare.

``make torture`` runs it. Each trial starts a command in a fresh folder, kills it with SIGKILL at a
random instant of its work (all of its processes, or in some scenarios one alone, such as the parent
of the others), starts it again (and may kill it again) until it ends by itself. Then every file
must be equal to that of a run that was left alone, apart from times (``compare.TIMES``); no
temporary file and no process may be left. The exit code is 1 if anything differs.

In the scenarios ``stop1`` and ``stop2`` the training is asked to stop instead: SIGTERM, SIGUSR1 or
SIGINT to one of its processes, or to all of them, loader workers included. The exit codes of a call
that are neither all 75 nor all 0 are printed.

The processes are forks of this one, which has loaded the packages: most of a trial is work.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import mmselfsup.apis.test  # noqa: E402
import mmselfsup.apis.train  # noqa: E402, F401
from mmselfsup.utils.errors import STOPPED  # noqa: E402
from tests.torture import images, stub_study, study, trainings  # noqa: E402
from tests.torture.compare import differences  # noqa: E402
from tests.torture.processes import Call, wait_for_end  # noqa: E402
from tests.torture.scenario import Scenario  # noqa: E402

torch.set_num_threads(1)
MODULES = (trainings, images, stub_study, study)
SCENARIOS = tuple(scenario for module in MODULES for scenario in module.SCENARIOS)
#: Kills in one trial at most.
MAX_KILLS = 3


def wait_for_start(scenario: Scenario, place: Path, out: str, signs: int) -> None:
    """Wait for one more sign than before the call that the work has begun."""
    end = time.monotonic() + 60
    while scenario.signs and scenario.signs(place, out) <= signs and time.monotonic() < end:
        time.sleep(0.002)


def start(scenario: Scenario, place: Path, out: str) -> Call:
    """Call the command, and wait until its work has begun."""
    signs = scenario.signs(place, out) if scenario.signs else 0
    call = Call(scenario.works(place, out))
    wait_for_start(scenario, place, out, signs)
    return call


def trial(
    scenario: Scenario, place: Path, out: str, duration: float, rng: random.Random
) -> tuple[int, list[int]]:
    """Kill a command at random instants and let it end.

    Returns:
        The number of kills, and the processes that outlived a parent and did not end.
    """
    planned, kills, calls, left = rng.randint(1, MAX_KILLS), 0, [], []
    while kills < planned:
        call = start(scenario, place, out)
        calls.append(call)
        if not call.lives_for(rng.uniform(0, duration)):
            break  # it was faster: nothing to kill any more
        if scenario.stopped:
            codes = call.stop(rng, place)
            if set(codes) not in ({STOPPED}, {0}):
                print(f"{out}: exit codes {codes}\n{texts_of(place, out)}", flush=True)
        elif scenario.alone and rng.random() < 0.5:
            left += call.kill_one(rng.randrange(len(call.processes)))
        else:
            call.kill()
        kills += 1
    call = start(scenario, place, out)
    codes = call.wait(place)
    for earlier in calls:
        earlier.reap()
    left = wait_for_end(left)
    if any(codes):
        raise SystemExit(f"{scenario.name}, {out}: exit codes {codes}\n{texts_of(place, out)}")
    return kills, left


def texts_of(place: Path, out: str) -> str:
    """Return the ends of what the processes of the last call printed."""
    return "\n".join(p.read_text()[-3000:] for p in sorted(place.glob(f"{out}.*.txt")))


def undisturbed(scenario: Scenario, place: Path) -> tuple[dict[str, Any], float]:
    """Return what a run that is left alone leaves, and how long it takes after its start."""
    out = f"{scenario.name}_reference"
    call = start(scenario, place, out)
    began = time.monotonic()
    codes = call.wait(place)
    duration = time.monotonic() - began
    if any(codes):
        raise SystemExit(f"{scenario.name}: {codes}\n{texts_of(place, out)}")
    state = scenario.state(place, out)
    if scenario.reference is not None:
        wanted = scenario.reference(place)
        if wrong := differences(wanted, state):
            raise SystemExit(f"{scenario.name}, left alone, differs: {wrong[:10]}")
    return state, duration


def torture(scenario: Scenario, place: Path, kills: int, rng: random.Random) -> tuple[int, int]:
    """Run one scenario until it was killed often enough; return kills and trials that differ."""
    for earlier in SCENARIOS:
        if earlier.name == scenario.reads and not list(place.glob(f"{earlier.name}_reference*")):
            undisturbed(earlier, place)
    wanted, duration = undisturbed(scenario, place)
    done, trials, bad = 0, 0, 0
    while done < kills and trials < 3 * kills:
        out = f"{scenario.name}_{trials:03d}"
        killed, left = trial(scenario, place, out, duration, rng)
        wrong = differences(wanted, scenario.state(place, out))
        wrong += [f": process {pid} outlives its parent" for pid in left]
        done, trials, bad = done + killed, trials + 1, bad + bool(wrong)
        for line in wrong[:10]:
            print(f"DIFFERS: {out}{line}", flush=True)
    print(
        f"{scenario.name}: {done} kills in {trials} trials ({duration:.1f} s undisturbed), "
        f"{bad} differ",
        flush=True,
    )
    return done, bad


def main(read: Callable[[], argparse.Namespace]) -> int:
    """Run the scenarios; return 1 if a trial differs."""
    args = read()
    seed = random.SystemRandom().randrange(2**31) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    chosen = [s for s in SCENARIOS if not args.only or s.name in args.only]
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        for module in MODULES:
            if not {s.name for s in chosen}.isdisjoint(s.name for s in module.SCENARIOS):
                module.prepare(Path(folder))
        results = [torture(s, Path(folder), args.kills, rng) for s in chosen]
    kills, bad = (sum(column) for column in zip(*results, strict=True))
    print(f"{kills} kills, {bad} trials differ", flush=True)
    return int(bad > 0)


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="kills of each scenario")
    parser.add_argument("--seed", type=int, help="of the instants; drawn and printed by default")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", nargs="*", choices=names, help="scenarios, default all")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(read_arguments))
