"""How numbers are written: digits grouped in every locale's way, fractions, and numbers in words.

Words of English, German, French, Spanish and Portuguese are read by text2num.
"""

import re
from typing import Final

from text_to_num import text2num

_SPACE: Final = r"[ \u00a0\u202f\u2009]"
_MARK: Final = r"['’]"
VULGAR: Final = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3, "⅕": 0.2, "⅛": 0.125}
# "1 200 000", "1'200'000" and "12,50,000": groups; "2 1/2" and "1½"; else one run of digits, points and commas.
NUMBER: Final = (
    rf"(?:\d{{1,3}}(?:{_MARK}\d{{3}}){{1,5}}(?:[.,]\d{{1,2}})?(?!\d)"
    rf"|\d{{1,3}}(?:{_SPACE}\d{{3}}){{1,5}}(?:[.,]\d{{1,2}})?(?![\d]|[.,]\d)"
    rf"|\d{{1,3}}{_SPACE}?[{''.join(VULGAR)}]|[{''.join(VULGAR)}]|\d{{1,3}} [1-9]/[2-8](?!\d)"
    r"|\d{1,18}(?:[.,]\d{1,18}){0,6}|\.\d{1,6})"
)

_GROUPED: Final = re.compile(
    rf"\d{{1,3}}(?:(?:,\d{{3}})+|(?:{_SPACE}\d{{3}})+|(?:{_MARK}\d{{3}})+)(?:\.\d+)?"
)
_INDIAN: Final = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
_GROUPED_BY_POINTS: Final = re.compile(
    rf"\d{{1,3}}(?:(?:\.\d{{3}}){{2,}}(?:,\d+)?|\.\d{{3}},\d{{1,2}}|(?:{_SPACE}\d{{3}})+,\d{{1,2}}|(?:{_MARK}\d{{3}})+,\d{{1,2}})"
)
_NOT_DIGITS: Final = re.compile(r"\D")

_ENGLISH: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion
"""
_SCALES: Final = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_WORD: Final = f"(?:{'|'.join(sorted(_ENGLISH.split(), key=len, reverse=True))})"
_ROMANCE: Final = (
    "(?:deux|trois|quatre|cinq|six|sept|huit|neuf|dix|vingt|trente|quarante|cinquante|soixante|cents?|mille|millions?|"
    "dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|veinte|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|"
    "noventa|cien|ciento|doscientos|trescientos|cuatrocientos|quinientos|seiscientos|setecientos|ochocientos|"
    "novecientos|mil|millón|millones|dois|três|quatro|sete|oito|nove|dez|vinte|trinta|quarenta|cinquenta|sessenta|"
    "oitenta|cem|cento|duzentos|trezentos|quatrocentos|quinhentos|seiscentos|setecentos|oitocentos|novecentos|"
    "milhão|milhões|et|y|e|un|um)"
)
_GERMAN: Final = (
    "(?:(?:ein|eine|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig|vierzig|fünfzig|"
    "sechzig|siebzig|achtzig|neunzig|und|hundert|tausend){2,8}|(?:ein|zwei|drei|vier|fünf) millionen)"
)
WORDED: Final = (
    r"(?:half an? (?:million|billion)|(?:an?|one) quarter(?: of)? a million"
    rf"|{_WORD} (?:and a half) (?:thousand|million|billion)"
    rf"|(?:an? )?{_WORD}(?:(?:[ -]|"
    rf" and ){_WORD}){{0,7}}(?: point(?: {_WORD}){{1,3}}(?: (?:thousand|million|billion))?)?"
    rf"|{_ROMANCE}(?:[ -]{_ROMANCE}){{0,6}}|{_GERMAN})"
)
FRACTIONS: Final = {
    "half": 50.0, "third": 100 / 3, "quarter": 25.0, "fifth": 20.0, "sixth": 100 / 6, "eighth": 12.5, "tenth": 10.0,
}  # fmt: skip
# "half of the budget", "a quarter to Target": a share only where it is said of what, or to whom
FRACTION: Final = (
    r"(?:half|(?:an?|one|two|three) (?:thirds?|quarters?|fifths?|sixths?|eighths?|tenths?))"
    r"(?= of (?:(?:the|our|this|that|its|your) )?(?:(?:total|whole|full|entire|media) )?(?:budget|money|"
    r"spend|pot|funds?|it)(?!\w)| (?:to|into|for|goes to) (?:the )?(?-i:[A-Z])| (?:each|apiece)(?!\w))"
)
COUNT: Final = (
    r"(?:\d{1,3}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"twenty|thirty|fifty|sixty|ninety|a|an)"
)


def read_number(written: str, decimal: bool) -> tuple[float | None, bool]:
    """The value, None where it cannot be told, and whether thousands surely are set apart.

    With `decimal` (a magnitude or a percent sign follows) "1.250" is below two.
    """
    if written[-1] in VULGAR:
        return float(_NOT_DIGITS.sub("", written) or 0) + VULGAR[written[-1]], False
    if "/" in written:
        whole, part = written.split(" ")
        over, under = part.split("/")
        return float(whole) + float(over) / float(under), False
    if _GROUPED.fullmatch(written) or _INDIAN.fullmatch(written):
        if decimal and re.fullmatch(r"\d{1,2},\d{3}", written):
            return float(written.replace(",", ".")), False  # "1,250 Mio."
        whole, _, rest = written.partition(".")
        return float(f"{_NOT_DIGITS.sub('', whole)}.{rest or 0}"), True
    if _GROUPED_BY_POINTS.fullmatch(written):
        whole, _, rest = written.partition(",")
        return float(f"{_NOT_DIGITS.sub('', whole)}.{rest or 0}"), True
    parts = [part or "0" for part in re.split(r"[.,]", written)]
    if len(parts) == 1:
        return float(parts[0]), False
    if len(parts) == 2 and "." in written and len(parts[1]) == 3 and parts[0] != "0" and not decimal:
        return float("".join(parts)), False
    if len(parts) == 2 and ("." in written or len(parts[1]) < 3 or decimal):
        return float(".".join(parts)), False
    return None, False


def read_fraction(written: str) -> float:
    """The percentage of a fraction in words: "two thirds" is 66.7."""
    count, _, name = written.lower().rpartition(" ")
    times = {"two": 2, "three": 3}.get(count, 1)
    return times * FRACTIONS[name.removesuffix("s")]


def read_worded(written: str) -> float | None:
    """The value of a number in words, None where no language reads it: "one point two million" is 1,200,000."""
    said = written.lower().strip()
    if said.isdecimal():
        return float(said)
    for lead, part in (
        ("half a", 0.5),
        ("half an", 0.5),
        ("a quarter of a", 0.25),
        ("one quarter of a", 0.25),
    ):
        if said.startswith(lead + " ") and said.rpartition(" ")[2] in _SCALES:
            return part * _SCALES[said.rpartition(" ")[2]]
    if said in ("a", "an"):
        return 1.0
    said = re.sub(r"^an? ", "one ", said)
    if match := re.fullmatch(r"(.+) and a half (\w+)", said):
        whole = _by_library(match[1])
        return None if whole is None else (whole + 0.5) * _SCALES[match[2]]
    if match := re.fullmatch(r"(.+?) point (.+?)( thousand| million| billion)?", said):
        whole, digits = _by_library(match[1]), [_by_library(digit) for digit in match[2].split()]
        if whole is None or None in digits:
            return None
        rest = "".join(f"{digit:.0f}" for digit in digits if digit is not None)
        return float(f"{whole:.0f}.{rest}") * _SCALES.get((match[3] or "").strip(), 1.0)
    return _by_library(said)


def _by_library(said: str) -> float | None:
    for language in ("en", "de", "fr", "es", "pt"):
        try:
            return float(text2num(said, language))
        except (ValueError, KeyError, AttributeError):
            continue
    if match := re.fullmatch(r"eine million (\w+)", said):
        rest = _by_library(match[1])
        return None if rest is None else 1e6 + rest
    return None
