"""Finds the retailers a text names: by name, possessive, alias or the name of their media network."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

# What people write for a retailer: its media network and short forms, by the name in lower case without marks.
_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "albertsons": ("Albertsons Media Collective",),
    "amazon": ("Amazon Ads", "Amazon.com", "AMZN"),
    "bestbuy": ("Best Buy Ads", "BestBuy"),
    "bjswholesale": ("BJ's", "BJs"),
    "bjswholesaleclub": ("BJ's Wholesale", "BJ's", "BJs"),
    "boots": ("Boots Media Group",),
    "chewy": ("Chewy Ads", "Chewy.com"),
    "cvs": ("CVS Media Exchange", "CVS Pharmacy", "CMX"),
    "dollargeneral": ("DG Media Network", "DGMN"),
    "homedepot": ("The Home Depot", "Orange Apron Media"),
    "instacart": ("Instacart Ads", "Carrot Ads"),
    "kroger": ("Kroger Precision Marketing", "KPM"),
    "lowes": ("Lowe's One Roof", "Lowes"),
    "macys": ("Macy's Media Network", "Macys"),
    "sainsburys": ("Nectar360", "Sainsburys"),
    "samsclub": ("Sam's Club MAP", "Sam's", "Sams Club"),
    "target": ("Roundel", "Target Circle"),
    "tesco": ("Tesco Media", "Tesco Media & Insight"),
    "ulta": ("Ulta Beauty", "UB Media"),
    "walgreens": ("Walgreens Advertising Group",),
    "walmart": ("Walmart Connect", "Wal-Mart", "Walmart.com"),
    "wholefoods": ("Whole Foods Market", "WFM"),
}
# Names that are everyday words too: in lower case, or before these, they are not the retailer.
_EVERYDAY: Final = frozenset(
    {"target", "gap", "next", "boots", "giant", "express", "shell", "metro", "coles"}
)
_NOT_A_NAME: Final = re.compile(
    r"\s(?:audiences?|markets?|demographics?|groups?|keywords?|dates?|steps?|systems?|customers?|"
    r"shopper profile)(?!\w)",
    re.IGNORECASE,
)
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
    pattern, by_key = _pattern(names, tuple(sorted(aliases.items())))
    for match in pattern.finditer(text):
        written = match[0]
        if written.lower() in _EVERYDAY and (
            (written.islower() and not _SURELY_A_NAME.match(text, match.end()))
            or _NOT_A_NAME.match(text, match.end())
        ):
            continue
        found.append(Mention(by_key[_key(written)], match.start(), match.end()))
    return found


def _key(written: str) -> str:
    return re.sub(r"[\W_]+", "", written.lower())


@lru_cache(maxsize=128)
def _pattern(
    names: tuple[str, ...], aliases: tuple[tuple[str, tuple[str, ...]], ...]
) -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern for all names, the longest first; apostrophes, spaces and hyphens may differ."""
    by_key = {_key(alias): name for name, own in aliases for alias in own if name in names}
    by_key |= {_key(alias): name for name in reversed(names) for alias in _ALIASES.get(_key(name), ())}
    by_key |= {_key(name): name for name in reversed(names)}
    by_key.pop("", None)
    written = {alias for _, own in aliases for alias in own} | set(names)
    written |= {alias for name in names for alias in _ALIASES.get(_key(name), ())}
    forms = [
        "".join("['’]?" if c in "'’" else r"[\s-]{1,2}" if c in " -" else re.escape(c) for c in form)
        for form in sorted(written, key=lambda form: (-len(form), form))
        if _key(form) in by_key
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms) or '(?!)'})(?!\w)", re.IGNORECASE), by_key
