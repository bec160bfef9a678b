"""Judges many rows of which a server's content filter refuses some: do all others get their score?

    python -m benchmarks.filtered [--rows 10000] [--every 100] [--faults 0.0]

Every `--every`-th row is refused with Azure's words for it, whoever asks and however often. `--faults` adds a share
of passing errors (429 and 500) on top. The endpoint is the scripted one on loopback; the crews are real.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from rlhf.nodes.endpoints.lane import Patience
from rlhf.nodes.services import Services
from rlhf.runs.judge import judged_as_they_come
from rlhf.state.files.prompts import parse_prompt
from rlhf.state.recipe import parse_recipe
from tests.scripted_endpoint import Reply, Request, ScriptedEndpoint, default_script, rate_limited, status

_MARK = "a forbidden word"
_FILTERED = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "code": "content_filter",
    "status": 400,
}


def outcomes(rows: int, every: int, faults: float, folder: Path) -> Counter[str]:
    """How many rows were scored, refused, or failed otherwise."""
    chance = random.Random(7)

    def script(request: Request) -> Reply:
        if _MARK in request.text:
            return Reply({"error": _FILTERED}, 400)
        if chance.random() < faults:
            return chance.choice([rate_limited("0.01"), status(500)])(request)
        return default_script(request)

    items = []
    for number in range(rows):
        prompt = parse_prompt({"prompt": f"Split $1M, plan {number}."}, "general", "benchmark")
        items.append((prompt, f"Step 1: put all into Amazon. {_MARK if number % every == 0 else ''}"))

    async def judge(services: Services) -> Counter[str]:
        found: Counter[str] = Counter()
        async for _, feedback in judged_as_they_come(services, items):
            parts = feedback.dimensions.values()
            if all(part.score is not None for part in parts):
                found["scored"] += 1
            elif all("content management policy" in (part.error or "") for part in parts):
                found["refused"] += 1
            else:
                found["failed otherwise"] += 1
        return found

    with ScriptedEndpoint(script) as endpoint:
        section = f'model = "vllm/scripted"\nbase_url = "{endpoint.base_url}"\n'
        judge_section = f'[judge]\n{section}mode = "combined"\nconcurrency = 16\n'
        store = f'[storage]\nledger_url = "sqlite:///{folder}/ledger.sqlite"\n'
        store += f'checkpoint_url = "sqlite:///{folder}/checkpoints.sqlite"\n'
        settings = parse_recipe(f"[policy]\n{section}{judge_section}{store}", "benchmark")
        services = Services(settings, Patience(first_wait=0.01, longest_wait=0.1))
        try:
            return asyncio.run(judge(services))
        finally:
            services.close()


def main() -> None:
    """Print what became of the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--faults", type=float, default=0.0)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = outcomes(options.rows, options.every, options.faults, Path(folder))
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(found.items()))
    print(f"{options.rows:,} rows in {time.monotonic() - started:.0f} s: {told}")


if __name__ == "__main__":
    main()
