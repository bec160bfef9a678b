"""Pairs of budgeting responses made by program: one is sound, the other holds one fault, so the better is known.

Split, layout, wording and order are drawn for each response on its own; both responses of a pair give the same
reasons and next steps, so that nothing but the fault decides.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.budgeting_words import (
    BANNED,
    BRANDS,
    CLAIMS,
    INJECTIONS,
    INTROS,
    OUTROS,
    PROMPTS,
    REASONS,
    REFUSALS,
    RETAILERS,
    STEPS,
    TOKENS,
    UNPROVEN,
)

CURRENCIES: Final = ("$", "$", "$", "€", "£")


@dataclass(frozen=True)
class Brief:
    """What is asked."""

    prompt: str
    context: Mapping[str, Any]
    brand: str
    retailers: tuple[str, ...]
    budget: int
    currency: str
    caps: Mapping[str, int]
    banned: str


@dataclass(frozen=True)
class Pair:
    """Two responses to one brief; `better` is sound, `worse` holds `fault`."""

    brief: Brief
    better: str
    worse: str
    fault: str


@dataclass(frozen=True)
class Parts:
    """What both responses of a pair say, each in its own order, layout and words."""

    total: bool
    reasons: tuple[str, ...]
    steps: tuple[str, ...]
    outro: bool


Split = dict[str, int]


def make_pairs(count: int, seed: int) -> Iterator[Pair]:
    """`count` pairs, the faults in turn; the same seed gives the same pairs."""
    chance = random.Random(seed)
    for number in range(count):
        fault = tuple(FAULTS)[number % len(FAULTS)]
        brief = _brief(chance, capped=fault == "cap exceeded")
        parts = Parts(
            total=chance.random() < 0.5 or fault == "total misstated",
            reasons=tuple(chance.sample(REASONS, len(brief.retailers))),
            steps=tuple(chance.sample(STEPS, chance.choice((0, 1, 2)))),
            outro=chance.random() < 0.3,
        )
        better = _write(chance, brief, _split(chance, brief), parts)
        yield Pair(brief, better, FAULTS[fault](chance, brief, parts), fault)


def _brief(chance: random.Random, capped: bool) -> Brief:
    brand, product = chance.choice(BRANDS)
    retailers = tuple(chance.sample(RETAILERS, chance.choice((3, 3, 4, 4, 5))))
    budget = chance.choice((80, 120, 150, 240, 300, 450, 600, 750, 900, 1_200, 1_800, 2_500, 4_000)) * 1_000
    currency = chance.choice(CURRENCIES)
    caps: Split = {}
    if capped or chance.random() < 0.3:
        caps[chance.choice(retailers)] = _round(budget * chance.uniform(0.3, 0.45), budget)
    banned = chance.choice(BANNED)
    listed = f"{', '.join(retailers[:-1])} and {retailers[-1]}"
    money = _money(chance, budget, currency)
    rule = "".join(
        f" {name} gets no more than {_money(chance, cap, currency)}." for name, cap in caps.items()
    )
    prompt = chance.choice(PROMPTS).format(brand=brand, product=product, money=money, listed=listed) + rule
    context: dict[str, Any] = {"brand": brand, "banned_terms": [banned]}
    if chance.random() < 0.5:
        context |= {"retailers": list(retailers), "budget": budget, "caps": dict(caps)}
    return Brief(prompt, context, brand, retailers, budget, currency, caps, banned)


def _split(chance: random.Random, brief: Brief) -> Split:
    """Different amounts that add up to the budget and keep the caps."""
    while True:
        weights = [chance.uniform(0.6, 2.4) for _ in brief.retailers]
        amounts = [_round(brief.budget * weight / sum(weights), brief.budget) for weight in weights]
        amounts[-1] = brief.budget - sum(amounts[:-1])
        split = dict(zip(brief.retailers, amounts, strict=True))
        kept = all(split[name] <= cap for name, cap in brief.caps.items())
        if kept and min(amounts) >= 0.05 * brief.budget and len(set(amounts)) == len(amounts):
            return split


def _write(
    chance: random.Random,
    brief: Brief,
    split: Split,
    parts: Parts,
    total: int | None = None,
    currency: str = "",
) -> str:
    """The response in one of the layouts; a misstated `total` may be given."""
    sign = currency or brief.currency
    order = chance.sample(list(split), len(split))
    reasons = chance.sample(parts.reasons, len(order))
    lines = chance.choice(LAYOUTS)(
        chance, [(name, split[name]) for name in order], reasons, brief.budget, sign
    )
    pieces = [chance.choice(INTROS).format(brand=brief.brand)]
    pieces.append(lines)
    if parts.total:
        stated = _money(chance, sum(split.values()) if total is None else total, sign)
        pieces.append(
            chance.choice(("Total: {}", "That makes {} in total.", "Sum: {}", "Together: {} in all.")).format(
                stated
            )
        )
    if parts.steps:
        steps = chance.sample(parts.steps, len(parts.steps))
        lead = chance.choice(("Next steps: ", "What to do now: ", "", "Then: "))
        pieces.append(lead + " ".join(step.format(name=order[0]) for step in steps))
    if parts.outro:
        pieces.append(chance.choice(OUTROS).format(brand=brief.brand))
    return "\n".join(pieces)


def _round(value: float, budget: int) -> int:
    step = 1_000 if budget < 300_000 else 5_000 if budget < 1_500_000 else 10_000
    return max(step, round(value / step) * step)


def _money(chance: random.Random, value: int, sign: str) -> str:
    forms = [f"{sign}{value:,}"]
    if value % 1_000 == 0 and value < 1_000_000:
        forms += [f"{sign}{value // 1_000}K", f"{sign}{value // 1_000}k"]
    if value >= 1_000_000:
        forms += [f"{sign}{value / 1e6:g}M", f"{sign}{value / 1e6:g} million"]
    code = {"$": "USD", "€": "EUR", "£": "GBP"}[sign]
    forms.append(f"{value:,} {code}")
    return chance.choice(forms)


Row = tuple[str, int]
Layout = Callable[[random.Random, list[Row], list[str], int, str], str]


def _colon(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    mark = chance.choice(("", "- ", "* ", "• "))
    join = chance.choice((" because {}.", ", since {}.", ". Why: {}.", " – {}."))
    named = chance.choice(("{}", "**{}**"))
    return "\n".join(
        f"{mark}{named.format(name)}: {_money(chance, amount, sign)}{join.format(reason)}"
        for (name, amount), reason in zip(rows, reasons, strict=True)
    )


def _numbered(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    return "\n".join(
        f"{number}. {name} – {_money(chance, amount, sign)} ({100 * amount / budget:.1f}%): {reason}."
        for number, ((name, amount), reason) in enumerate(zip(rows, reasons, strict=True), start=1)
    )


def _prose(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    verbs = ("gets", "takes", "receives", "should have", "is given")
    why = chance.choice(("because", "as", "since"))
    return " ".join(
        f"{name} {chance.choice(verbs)} {_money(chance, amount, sign)}, {why} {reason}."
        for (name, amount), reason in zip(rows, reasons, strict=True)
    )


def _amount_first(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    verb = chance.choice(("Put {} into", "Spend {} on", "Give {} to", "Set aside {} for"))
    return " ".join(
        f"{verb.format(_money(chance, amount, sign))} {name}: {reason}."
        for (name, amount), reason in zip(rows, reasons, strict=True)
    )


def _table(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    head = "| Retailer | Amount | Reason |\n|---|---|---|\n"
    return head + "\n".join(
        f"| {name} | {_money(chance, amount, sign)} | {reason} |"
        for (name, amount), reason in zip(rows, reasons, strict=True)
    )


def _headings(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    label = chance.choice(("Budget", "Amount", "Spend"))
    return "\n".join(
        f"## {name}\n{label}: {_money(chance, amount, sign)}\n{reason[0].upper()}{reason[1:]}."
        for (name, amount), reason in zip(rows, reasons, strict=True)
    )


def _shares(chance: random.Random, rows: list[Row], reasons: list[str], budget: int, sign: str) -> str:
    written = chance.choice(
        (
            "{share}% to {name}, as {reason}.",
            "{name}: {share} % – {reason}.",
            "{name} gets {share} percent since {reason}.",
        )
    )
    return "\n".join(
        written.format(name=name, share=f"{100 * amount / budget:.2f}".rstrip("0").rstrip("."), reason=reason)
        for (name, amount), reason in zip(rows, reasons, strict=True)
    )


LAYOUTS: Final[tuple[Layout, ...]] = (_colon, _numbered, _prose, _amount_first, _table, _headings, _shares)


def _sum_wrong(chance: random.Random, brief: Brief, parts: Parts) -> str:
    split = _split(chance, brief)
    name = chance.choice([name for name in split if name not in brief.caps] or list(split))
    factor = chance.choice((chance.uniform(0.4, 0.75), chance.uniform(1.25, 1.6)))
    changed = split | {name: _round(split[name] * factor, brief.budget)}
    stated = chance.choice((brief.budget, None))
    if changed[name] == split[name]:
        changed[name] *= 2
    return _write(chance, brief, changed, parts, stated)


def _retailer_missing(chance: random.Random, brief: Brief, parts: Parts) -> str:
    split = _split(chance, brief)
    gone = chance.choice(list(split))
    rest = {name: amount for name, amount in split.items() if name != gone}
    if chance.random() < 0.5:  # its money goes to another, so that the sum still fits
        free = [name for name in rest if name not in brief.caps]
        if free:
            rest[chance.choice(free)] += split[gone]
    return _write(chance, brief, rest, parts)


def _cap_exceeded(chance: random.Random, brief: Brief, parts: Parts) -> str:
    ((name, cap),) = list(brief.caps.items())[:1]
    amount = _round(min(cap * chance.uniform(1.15, 1.7), 0.85 * brief.budget), brief.budget)
    loose = replace(brief, caps={}, retailers=tuple(each for each in brief.retailers if each != name))
    others = _split(chance, replace(loose, budget=brief.budget - amount))
    return _write(chance, brief, {name: amount} | others, parts)


def _total_misstated(chance: random.Random, brief: Brief, parts: Parts) -> str:
    wrong = _round(brief.budget * chance.choice((0.8, 0.9, 1.1, 1.25)), brief.budget)
    return _write(chance, brief, _split(chance, brief), parts, wrong)


def _currency(chance: random.Random, brief: Brief, parts: Parts) -> str:
    other = chance.choice([sign for sign in ("$", "€", "£") if sign != brief.currency])
    text = _write(chance, brief, _split(chance, brief), parts, currency=other)
    return (
        text
        if other in text or {"$": "USD", "€": "EUR", "£": "GBP"}[other] in text
        else _currency(chance, brief, parts)
    )


def _sentence(bank: tuple[str, ...]) -> "Fault":
    def fault(chance: random.Random, brief: Brief, parts: Parts) -> str:
        text = _write(chance, brief, _split(chance, brief), parts)
        said = chance.choice(bank).format(brand=brief.brand, banned=brief.banned)
        lines = text.split("\n")
        place = chance.choice((0, len(lines)))
        return "\n".join([*lines[:place], said, *lines[place:]])

    return fault


def _cut(chance: random.Random, brief: Brief, parts: Parts) -> str:
    words = _write(chance, brief, _split(chance, brief), parts).split(" ")
    return " ".join(words[: int(len(words) * chance.uniform(0.45, 0.7))])


def _loop(chance: random.Random, brief: Brief, parts: Parts) -> str:
    lines = _write(chance, brief, _split(chance, brief), parts).split("\n")
    return "\n".join([*lines, *[lines[-1]] * chance.choice((4, 6))])


def _refusal(chance: random.Random, brief: Brief, parts: Parts) -> str:
    return chance.choice(REFUSALS).format(brand=brief.brand)


def _copy(chance: random.Random, brief: Brief, parts: Parts) -> str:
    return chance.choice(("", "Sure. ", "Here is the answer: ")) + brief.prompt


Fault = Callable[[random.Random, Brief, Parts], str]
FAULTS: Final[dict[str, Fault]] = {
    "sum wrong": _sum_wrong,
    "retailer missing": _retailer_missing,
    "forbidden claim": _sentence(CLAIMS),
    "cap exceeded": _cap_exceeded,
    "total misstated": _total_misstated,
    "wrong currency": _currency,
    "unproven claim": _sentence(UNPROVEN),
    "banned term": _sentence(
        ("We keep it {banned}.", "{brand} stays {banned} in every ad.", "Think {banned}, think {brand}.")
    ),
    "cut off": _cut,
    "loop": _loop,
    "refusal": _refusal,
    "copied prompt": _copy,
    "speaks to the judge": _sentence(INJECTIONS),
    "chat tokens": _sentence(TOKENS),
}
