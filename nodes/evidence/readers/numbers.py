"""How numbers are written: separators of both styles, magnitudes, and small numbers in words."""

import re
from typing import Final

MAGNITUDES: Final = {
    "k": 1e3, "thousand": 1e3, "tsd": 1e3, "tausend": 1e3, "mil": 1e6,
    "lakh": 1e5, "lakhs": 1e5, "crore": 1e7, "crores": 1e7,
    "m": 1e6, "mm": 1e6, "mn": 1e6, "mio": 1e6, "mln": 1e6, "million": 1e6, "millions": 1e6, "millionen": 1e6,
    "b": 1e9, "bn": 1e9, "mrd": 1e9, "billion": 1e9, "billions": 1e9, "milliarden": 1e9,
}  # fmt: skip

_SPACES: Final = r"[ \u00a0\u202f'’]"
# "1 200 000" and "1'200'000": groups of exactly three; else one run of digits with points and commas.
NUMBER: Final = (
    rf"(?:\d{{1,3}}(?:{_SPACES}\d{{3}}){{1,5}}(?:[.,]\d{{1,2}})?(?![\d]|[.,]\d)"
    r"|\d{1,18}(?:[.,]\d{1,18}){0,6}|\.\d{1,6})"
)

_TO_NINETEEN: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen
"""
_TO_NINETY: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS: Final = {word: value for value, word in enumerate(_TO_NINETEEN.split())}
_TENS: Final = {word: 10 * value for value, word in enumerate(_TO_NINETY.split(), start=2)}
_SCALES: Final = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_SMALL: Final = (
    f"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(list(_UNITS)[1:10])}))?|{'|'.join(reversed(_UNITS))})"
)
_SCALED: Final = "(?: (?:hundred|thousand|million|billion))"
WORDED: Final = rf"(?:half a (?:million|billion)|(?:{_SMALL}|an?){_SCALED}{{1,2}}|{_SMALL})"
FRACTIONS: Final = {
    "half": 50.0, "third": 100 / 3, "quarter": 25.0, "fifth": 20.0, "sixth": 100 / 6, "eighth": 12.5, "tenth": 10.0,
}  # fmt: skip
# "half of the budget", "a quarter to Target": a share only where it is said of what, or to whom
FRACTION: Final = (
    r"(?:half|(?:an?|one|two|three) (?:thirds?|quarters?|fifths?|sixths?|eighths?|tenths?))"
    r"(?= of (?:(?:the|our|this|that|its|your) )?(?:(?:total|whole|full|entire|media) )?(?:budget|money|"
    r"spend|pot|funds?|it)"
    r"(?!\w)| (?:to|into|for|goes to) (?:the )?(?-i:[A-Z])| (?:each|apiece)(?!\w))"
)
COUNT: Final = rf"(?:\d{{1,3}}|{_SMALL}|a|an)"

_GROUPED: Final = re.compile(rf"\d{{1,3}}(?:(?:,\d{{3}})+|(?:{_SPACES}\d{{3}})+)(?:\.\d+)?")
_GROUPED_BY_POINTS: Final = re.compile(
    rf"\d{{1,3}}(?:(?:\.\d{{3}}){{2,}}(?:,\d+)?|\.\d{{3}},\d{{1,2}}|(?:{_SPACES}\d{{3}})+,\d{{1,2}})"
)
_NOT_DIGITS: Final = re.compile(r"\D")


def read_number(written: str, decimal: bool) -> tuple[float, bool]:
    """The value, and whether thousands surely are set apart; with `decimal`, "1.250" is below two."""
    if _GROUPED.fullmatch(written):
        whole, _, rest = written.partition(".")
        return float(f"{_NOT_DIGITS.sub('', whole)}.{rest or 0}"), True
    if _GROUPED_BY_POINTS.fullmatch(written):
        whole, _, rest = written.partition(",")
        return float(f"{_NOT_DIGITS.sub('', whole)}.{rest or 0}"), True
    parts = [part or "0" for part in re.split(r"[.,]", written)]
    if len(parts) == 2 and "." in written and len(parts[1]) == 3 and parts[0] != "0" and not decimal:
        return float("".join(parts)), False
    if len(parts) == 2 and ("." in written or (decimal and len(parts[1]) < 3) or len(parts[1]) < 3):
        return float(".".join(parts)), False
    return float(_NOT_DIGITS.sub("", parts[0]) or 0), False


def read_fraction(written: str) -> float:
    """The percentage of a fraction in words: "two thirds" is 66.7."""
    count, _, name = written.lower().rpartition(" ")
    times = {"two": 2, "three": 3}.get(count, 1)
    return times * FRACTIONS[name.removesuffix("s")]


def read_worded(written: str) -> float:
    """The value of a number in words: "thirty-five" is 35, "ninety thousand" 90,000, "half a million" 500,000."""
    parts = written.lower().replace("-", " ").split()
    if parts[0] == "half":
        return 0.5 * _SCALES[parts[2]]
    value, scaled = 0.0, False
    for part in parts:
        if part in _SCALES:
            value, scaled = (value or 1.0) * _SCALES[part], True
        elif not (part in ("a", "an") and not scaled):
            value += _UNITS.get(part, _TENS.get(part, 0))
    return value
