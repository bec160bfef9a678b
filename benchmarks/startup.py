"""How long `rlhf --help`, `import rlhf` and importing a graph take: the figures docs/trust.md states (idle machine)."""

import subprocess
import sys
import time

RUNS = 7
TARGETS = {
    "rlhf --help": (["-m", "rlhf", "--help"], 0.5),
    "import rlhf": (["-c", "import rlhf"], 0.5),
    "import rlhf.graph.pipeline": (["-c", "import rlhf.graph.pipeline"], 2.0),
    "import rlhf.graph.judge": (["-c", "import rlhf.graph.judge"], 2.0),
}


def seconds(arguments: list[str]) -> list[float]:
    """Wall time of each of several starts of a fresh interpreter, sorted; the first, cold one is left out."""
    taken = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return sorted(taken[1:])


def main() -> None:
    """Print median and worst of each, beside its target."""
    for name, (arguments, target) in TARGETS.items():
        taken = seconds(arguments)
        print(
            f"{name:<24} median {taken[len(taken) // 2]:.2f} s, worst {taken[-1]:.2f} s (target {target} s)"
        )


if __name__ == "__main__":
    main()
