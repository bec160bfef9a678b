"""Finds the retailers a text names: by name, possessive, alias or the name of their media network."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from rlhf.prompts.words import Words, load_words, lowered

_SURELY_A_NAME: Final = re.compile(r"\s{0,2}(?:[:=|–—]|gets?\s|takes?\s|receives?\s|-\s)", re.IGNORECASE)


class Mention(NamedTuple):
    """A retailer's name in the response."""

    name: str
    start: int
    end: int


def find_mentions(text: str, names: tuple[str, ...], aliases: Mapping[str, tuple[str, ...]]) -> list[Mention]:
    """Each place where one of `names`, or an alias of it, stands as a name, in order."""
    if not names:
        return []
    found = []
    words = load_words()
    pattern, by_key = _pattern(names, tuple(sorted(aliases.items())), words)
    everyday, no_name = words.terms("everyday_names"), words.after("no_names")
    low = lowered(text)
    for match in pattern.finditer(text):
        written = match[0]
        if written.lower() in everyday and (
            (written.islower() and not _SURELY_A_NAME.match(text, match.end()))
            or (no_name.match(low, match.end()) and not low[match.end() :].lstrip(" ").startswith((":", "|")))
        ):
            continue
        found.append(Mention(by_key[_key(written)], match.start(), match.end()))
    return found


def _key(written: str) -> str:
    return re.sub(r"[\W_]+", "", written.lower())


@lru_cache(maxsize=128)
def _pattern(
    names: tuple[str, ...], aliases: tuple[tuple[str, tuple[str, ...]], ...], words: Words
) -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern for all names, the longest first; apostrophes, spaces and hyphens may differ."""
    wanted = {_key(name): name for name in reversed(names)}
    known: dict[str, str] = {}
    for alias, retailer in words.meanings("retailers").items():
        if _key(retailer) in wanted:
            known[alias] = wanted[_key(retailer)]
    by_key = {_key(alias): name for alias, name in known.items()}
    by_key |= {_key(alias): name for name, own in aliases for alias in own if name in names}
    by_key |= wanted
    by_key.pop("", None)
    written = {alias for _, own in aliases for alias in own} | set(names) | set(known)
    forms = [
        "".join("['’]?" if c in "'’" else r"[\s-]{0,2}" if c in " -" else re.escape(c) for c in form)
        for form in sorted(written, key=lambda form: (-len(form), form))
        if _key(form) in by_key
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms) or '(?!)'})(?!\w)", re.IGNORECASE), by_key
