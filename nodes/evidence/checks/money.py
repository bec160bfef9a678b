"""Checks on a split of money: who gets what, does it add up, are the limits kept.

Only plausible amounts earn full credit: at least half a percent of the budget and not above it, so a list of
"$1" earns little more than naming the retailers.
"""

import math
from typing import Final

from rlhf.nodes.evidence.findings import Finding
from rlhf.nodes.evidence.readers.allocations import Allocation
from rlhf.nodes.evidence.readers.amounts import format_money
from rlhf.nodes.evidence.readers.readings import ROUNDING
from rlhf.nodes.evidence.readers.sums import (
    WrongSum,
    wrong_cells,
    wrong_equations,
    wrong_lists,
    wrong_named_subtotals,
    wrong_parts,
    wrong_shares,
    wrong_totals_of_columns,
)
from rlhf.nodes.evidence.results import Evidence, Grade

SMALLEST_SHARE: Final = 0.005
REASON_WORDS: Final = 5
FEWEST_REASON_WORDS: Final = 2


def any_amount_given(evidence: Evidence) -> Grade:
    """0 if a split is asked for and nobody gets an amount, else 1."""
    if not evidence.facts.retailers or not evidence.facts.split_wanted:
        return Grade(None, "No split between retailers is asked for.")
    if evidence.given:
        return Grade(1.0, "Amounts are given.")
    return Grade(0.0, "Nobody gets an amount.")


def retailers_have_amounts(evidence: Evidence) -> Grade:
    """Share of the named retailers with a plausible amount; a silly amount counts half, a mention a third."""
    wanted = evidence.facts.retailers
    if not wanted or not evidence.facts.split_wanted:
        return Grade(None, "No split between retailers is asked for.")
    earned, findings, missing, unclear = 0.0, [], [], []
    smallest = SMALLEST_SHARE * (evidence.facts.budget or 0)
    small_ones = [each for each in _given(evidence) if each.high < smallest]
    for name in wanted:
        place = evidence.split.allocations.get(name)
        if place is None:
            missing.append(name)
            findings.append(evidence.demanded("retailer_missing", "retailers", name, f"{name} is left out."))
        elif place.amount is None and (place.unknown or evidence.split.unread):
            earned += 0.66 if place.unknown else 0.33
            unclear.append(name)
        elif place.amount is None:
            missing.append(name)
            earned += 0.33
            sentence = f"{name} has no amount."
            findings.append(evidence.found("amount_missing", place.start, place.end, sentence))
        elif _plausible(place.amount, evidence):
            earned += 1.0
            sentence = f"{name} gets {_money(place.amount, evidence)}."
            findings.append(evidence.found("allocation", place.start, place.end, sentence))
        else:
            earned += 0.5
            small = place.high < SMALLEST_SHARE * (evidence.facts.budget or 0)
            sure = len(small_ones) < len(evidence.given) or len(small_ones) < 2 or _in_line(evidence, place)
            if (small or place.amount < 0) and place.amount != 0 and sure:
                sentence = f"{_money(place.amount, evidence)} for {name} makes no sense for this budget."
                findings.append(evidence.found("implausible_amount", place.start, place.end, sentence))
    value = earned / len(wanted)
    if missing:
        return Grade(value, f"No amount for {_list(missing)}.", findings)
    if unclear:
        return Grade(value, f"No amount of its own can be read for {_list(unclear)}.", findings)
    if earned < len(wanted):
        return Grade(value, "Some amounts make no sense for this budget.", findings)
    return Grade(1.0, f"All {len(wanted)} retailers have an amount.", findings)


def retailers_have_reasons(evidence: Evidence) -> Grade:
    """How much is said about each named retailer in words no other retailer's reason has used."""
    wanted = evidence.facts.retailers
    if not wanted or not evidence.facts.split_wanted:
        return Grade(None, "No split between retailers is asked for.")
    said = {name: place.reason_words for name, place in evidence.split.allocations.items()}
    without = [name for name in wanted if said.get(name, 0) < REASON_WORDS]
    value = sum(min(1.0, said.get(name, 0) / REASON_WORDS) for name in wanted) / len(wanted)
    findings = [
        evidence.demanded("reason_missing", "retailers", name, f"No reason of its own for {name}.")
        for name in without
        if name in said and said[name] < FEWEST_REASON_WORDS
    ]
    if without:
        return Grade(value, f"No reason of its own for {_list(without)}.", findings)
    return Grade(value, "Every retailer has a reason of its own.")


def amounts_sum_to_budget(evidence: Evidence) -> Grade:
    """Closeness of the total to the budget, times the share of retailers that have an amount.

    The total is that of the reading which fits. Where all retailers are provided for but an amount cannot be read,
    nothing is said.
    """
    budget, wanted = evidence.facts.budget, evidence.facts.retailers
    if budget is None and wanted and evidence.split.reading.verdict == "off":
        places = _given(evidence)
        sentence = f"The shares add up to {evidence.split.reading.total:g}%."
        first, last = min(place.start for place in places), max(place.end for place in places)
        return Grade(0.5, sentence, [evidence.found("sum_mismatch", first, last, sentence)])
    if budget is None or not wanted:
        return Grade(None, "No budget or no retailers to add up.")
    given, reading = evidence.given, evidence.split.reading
    unread = [n for n in wanted if n not in given and (a := evidence.split.allocations.get(n)) and a.unknown]
    if not given and not unread:
        return Grade(0.0, "There are no amounts to add up.")
    provided = len((given.keys() | set(unread)) & set(wanted)) / len(wanted)
    lacking = [name for name in wanted if name not in given and name not in unread]
    loose = [each for each in evidence.split.beside if each.kind == "free"]
    if lacking and len(given) > 1 and reading.verdict != "off" and len(loose) >= len(lacking):
        return Grade(None, "Not every amount can be given to a retailer.")
    if reading.verdict == "open" and provided == 1:
        return Grade(None, "The amounts can be read in more than one way, or not at all.")
    total = reading.total
    share = len((given.keys() | set(unread)) & set(wanted)) / len(wanted)
    miss = 0.0 if reading.verdict == "fits" else abs(total - budget) / budget
    closeness = math.exp(-miss / 0.25)
    # one retailer that gets everything adds up too, but splits nothing
    value = closeness * share if len(wanted) == 1 or len(given) > 1 or unread else 0.0
    sentence = f"Amounts add up to {_money(total, evidence)} of {_money(budget, evidence)}."
    if reading.verdict != "off":
        return Grade(value, sentence)
    first = min(place.start for place in _given(evidence))
    last = max(place.end for place in _given(evidence))
    return Grade(value, sentence, [evidence.found("sum_mismatch", first, last, sentence)])


def stated_total_right(evidence: Evidence) -> Grade:
    """1 if each total the response states is what its amounts add up to in some sensible reading, else 0."""
    sums = _wrong_sums(evidence)
    wrong = evidence.split.wrong_totals if len(evidence.given) >= 2 else ()
    if not wrong and not sums:
        stated = len(evidence.given) >= 2 and bool(evidence.split.totals)
        return Grade(1.0, "The stated total is right.") if stated else Grade(None, "No total is stated.")
    if not wrong:
        findings = [
            evidence.found(
                "total_misstated",
                each.start,
                each.end,
                f"{_plain(each.stated)} is stated where the parts come to {_plain(each.right)}.",
            )
            for each in sums
        ]
        return Grade(0.0, findings[0].sentence, findings)
    sentence = (
        f"The stated total of {_money(wrong[0].value, evidence)} is not the sum of the amounts, "
        f"{_money(evidence.split.reading.total, evidence)}."
    )
    return Grade(0.0, sentence, [evidence.found("total_misstated", a.start, a.end, sentence) for a in wrong])


def _wrong_sums(evidence: Evidence) -> list[WrongSum]:
    """The wrong arithmetic of the response, each place once; what is found as a wrong split is left to that check."""
    document, figures = evidence.document, evidence.figures
    off = evidence.split.reading.verdict == "off"
    budget = evidence.facts.budget
    found = [each for each in wrong_equations(document, figures) if not _names_retailer(evidence, each)]
    found += wrong_lists(document, figures)
    found += wrong_parts(document, figures)
    for grid in document.grids:
        found += wrong_cells(document, grid)
        found += wrong_totals_of_columns(document, grid)
        found += wrong_named_subtotals(document, grid)
    places = {(each.start, each.end): each for each in reversed(found)}
    kept = [
        each
        for each in places.values()
        if not (off and budget and abs(each.stated - budget) <= 0.001 * budget)
    ]
    return sorted(kept, key=lambda each: each.start)


def _names_retailer(evidence: Evidence, wrong: WrongSum) -> bool:
    """Whether the equation gives a retailer its amount: then the split says whether it fits."""
    return any(place.start == wrong.start for place in evidence.split.allocations.values())


def _plain(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def shares_agree(evidence: Evidence) -> Grade:
    """Share of the percentages beside amounts that fit them, to a rounding of one point."""
    budget = evidence.facts.budget
    beside = [
        (name, place) for name, place in evidence.split.allocations.items() if place.share and place.amount
    ]
    if not beside or not budget:
        cells = [each for grid in evidence.document.grids for each in wrong_shares(evidence.document, grid)]
        wrong = [
            evidence.found("share_mismatch", c.start, c.end, f"{c.stated:g}% is {c.right:.0f}% of the total.")
            for c in cells
        ]
        return (
            Grade(0.5, wrong[0].sentence, wrong)
            if wrong
            else Grade(None, "No percentages stand beside amounts.")
        )
    reading = evidence.split.reading
    kept = [each.value for each in evidence.split.beside if each.kind != "free"]
    bases = [
        budget,
        reading.total,
        reading.base or budget,
        *(stated.value for stated in evidence.split.totals),
    ]
    bases += [budget - math.fsum(kept), math.fsum(evidence.given.values()), *(budget - each for each in kept)]
    findings = []
    for name, place in beside:
        assert place.share is not None
        assert place.amount is not None
        points = min(
            (abs(100 * place.amount / base - place.share.value) for base in bases if base > 0), default=0.0
        )
        if points > 1.01:
            sentence = f"{name}'s {_money(place.amount, evidence)} is {100 * place.amount / budget:.0f}% of the budget."
            findings.append(evidence.found("share_mismatch", place.share.start, place.share.end, sentence))
    if 2 * len(findings) > len(beside) or (len(findings) == len(beside) and len(beside) < 2):
        return Grade(None, "The percentages are of something else than the budget, as far as can be told.")
    sentence = findings[0].sentence if findings else "Percentages and amounts agree."
    return Grade(1 - len(findings) / len(beside), sentence, findings)


def distinct_amounts(evidence: Evidence) -> Grade:
    """Whether the split is a decision rather than one number pasted for each retailer.

    Different plausible amounts over the retailers asked for; an equal split that adds up earns half.
    """
    wanted, budget = evidence.facts.retailers, evidence.facts.budget
    if len(wanted) < 2 or not evidence.facts.split_wanted:
        return Grade(None, "Fewer than two retailers to tell apart.")
    amounts = [amount for amount in evidence.given.values() if _plausible(amount, evidence)]
    different = len({round(amount, 2) for amount in amounts})
    value = max(0, different - 1) / (len(wanted) - 1)
    findings: list[Finding] = []
    if different == 1 and len(amounts) > 1:
        place = _given(evidence)[0]
        findings = [
            evidence.found("same_amounts", place.start, place.end, "Every retailer gets the same amount.")
        ]
    if different == 1 and len(amounts) >= len(wanted):
        equal_split = budget is not None and abs(math.fsum(amounts) - budget) <= 0.01 * budget
        return Grade(0.5 if equal_split else 0.0, "Every retailer gets the same amount.", findings)
    sentence = f"{different} different amounts for {len(wanted)} retailers."
    return Grade(min(1.0, value), sentence, findings)


def _given(evidence: Evidence) -> list[Allocation]:
    return [place for place in evidence.split.allocations.values() if place.amount is not None]


def _plausible(amount: float, evidence: Evidence) -> bool:
    budget = evidence.facts.budget
    return amount > 0 and (budget is None or SMALLEST_SHARE * budget <= amount <= budget * (1 + ROUNDING))


def _money(value: float, evidence: Evidence) -> str:
    return shown_money(value, evidence.facts.currency)


def shown_money(value: float, currency: str | None) -> str:
    """`value` with three leading digits, as people say it."""
    rounded = value if value < 10_000 else round(value, 3 - len(str(int(value))))
    return format_money(rounded, currency or "$")


def _in_line(evidence: Evidence, place: Allocation) -> bool:
    """Whether the amount is written with a currency: a bare number may be in a unit that is not known."""
    return place.currency is not None


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
