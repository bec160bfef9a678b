"""What the training tests build: pairs of few words, and how they find a child at work."""

import json
from pathlib import Path

WORDS = [
    *("give", "put", "spend", "to", "amazon", "walmart", "cvs", "target", "the", "a", "budget", "of"),
    *("reason", "because", "shoppers", "100", "200", "300", ".", ","),
]
STORES = WORDS[4:8]


def write_pairs(path: Path, too_long: int = 0) -> Path:
    """Twelve pairs in TRL's conversational format, one of them of a conversation, and some of more than 64 tokens."""
    lines = []
    for number in range(12 + too_long):
        store = STORES[number % 4]
        prompt = f"spend the budget of {100 * (1 + number % 3)} to {store}" + " ." * 60 * (number >= 12)
        before = [{"role": "user", "content": "budget ?"}, {"role": "assistant", "content": "of 100 ."}]
        row = {
            "prompt": [*(before if number == 1 else []), {"role": "user", "content": prompt}],
            "chosen": [{"role": "assistant", "content": f"give {store} 100 because shoppers ."}],
            "rejected": [{"role": "assistant", "content": "a a a the the , ,"}],
            "prompt_key": f"p{number}",
        }
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def child_of(folder: Path) -> int:
    """The process at work in `folder`, by its command line."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[1:3] == ["-P", "-m"] and len(words) > 4 and words[4].startswith(str(folder)):
            return int(entry.name)
    raise AssertionError(f"no child works in {folder}")
