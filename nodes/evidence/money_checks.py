"""Checks on a split of money: who gets what, does it add up, are the limits kept.

Only plausible amounts earn full credit: at least half a percent of the budget and not above it, so a list of
"$1" earns little more than naming the retailers.
"""

import math
from typing import Final

from nodes.evidence.money import format_money
from nodes.evidence.results import Evidence, Grade

SMALLEST_SHARE: Final = 0.005
ROUNDING: Final = 0.001  # of the budget: what rounding to whole thousands may leave
REASON_WORDS: Final = 5


def retailers_have_amounts(evidence: Evidence) -> Grade:
    """Share of the named retailers with a plausible amount; a silly amount counts half, a mention a third."""
    wanted = evidence.facts.retailers
    if not wanted:
        return Grade(None, "No retailers are named in the prompt.")
    earned = 0.0
    missing = []
    for name in wanted:
        allocation = evidence.allocations.get(name)
        if allocation is None or allocation.amount is None:
            missing.append(name)
            earned += 0 if allocation is None else 0.33
        else:
            earned += 1.0 if _plausible(allocation.amount, evidence) else 0.5
    if missing:
        return Grade(earned / len(wanted), f"No amount for {_list(missing)}.")
    if earned < len(wanted):
        return Grade(earned / len(wanted), "Some amounts make no sense for this budget.")
    return Grade(1.0, f"All {len(wanted)} retailers have an amount.")


def retailers_have_reasons(evidence: Evidence) -> Grade:
    """How much is said about each named retailer in words no other retailer's reason has used."""
    wanted = evidence.facts.retailers
    if not wanted:
        return Grade(None, "No retailers are named in the prompt.")
    said = {name: evidence.allocations[name].reason_words for name in wanted if name in evidence.allocations}
    without = [name for name in wanted if said.get(name, 0) < REASON_WORDS]
    value = sum(min(1.0, said.get(name, 0) / REASON_WORDS) for name in wanted) / len(wanted)
    if without:
        return Grade(value, f"No reason of its own for {_list(without)}.")
    return Grade(value, "Every retailer has a reason of its own.")


def amounts_sum_to_budget(evidence: Evidence) -> Grade:
    """Closeness of the total to the budget, times the share of retailers that have an amount."""
    budget, wanted = evidence.facts.budget, evidence.facts.retailers
    if budget is None or not wanted:
        return Grade(None, "No budget or no retailers to add up.")
    given = evidence.given
    if not given:
        return Grade(0.0, "There are no amounts to add up.")
    total = math.fsum(given.values())
    miss = abs(total - budget) / budget
    share = len(given.keys() & set(wanted)) / len(wanted)
    closeness = 1.0 if miss <= ROUNDING else math.exp(-miss / 0.25)
    # one retailer that gets everything adds up too, but splits nothing
    value = closeness * share if len(wanted) == 1 or len(given) > 1 else 0.0
    return Grade(value, f"Amounts add up to {_money(total, evidence)} of {_money(budget, evidence)}.")


def nothing_above_budget(evidence: Evidence) -> Grade:
    """Share of the amounts of money at or under the budget; where a split is asked for, 0 without amounts."""
    budget = evidence.facts.budget
    if budget is None:
        return Grade(None, "No budget is known.")
    held = [(a.high, (a.start, a.end)) for a in evidence.amounts if a.kind == "money"]
    held = held or [
        (a.amount, (a.start, a.end)) for a in evidence.allocations.values() if a.amount is not None
    ]
    held = [(value, span) for value, span in held if value >= SMALLEST_SHARE * budget]
    if not held:
        return Grade(
            0.0 if evidence.facts.retailers else None, "There are no amounts to hold against the budget."
        )
    above = [(value, span) for value, span in held if value > budget * (1 + ROUNDING)]
    if above:
        sentence = f"{_money(above[0][0], evidence)} is above the budget of {_money(budget, evidence)}."
        return Grade(1 - len(above) / len(held), sentence, above[0][1])
    return Grade(1.0, f"No amount is above {_money(budget, evidence)}.")


def caps_kept(evidence: Evidence) -> Grade:
    """Mean over the capped retailers: 1 within the cap, less the further above it, 0 without an amount."""
    caps = evidence.facts.caps
    if not caps:
        return Grade(None, "No caps are given.")
    grades, broken, span = [], [], None
    for name, cap in caps.items():
        allocation = evidence.allocations.get(name)
        if allocation is None or allocation.amount is None:
            grades.append(0.0)
            continue
        over = max(0.0, allocation.amount / cap - 1)
        grades.append(1.0 if over <= ROUNDING else 0.6 * math.exp(-over))
        if over > ROUNDING:
            broken.append(
                f"{name} gets {_money(allocation.amount, evidence)}, its cap is {_money(cap, evidence)}"
            )
            span = span or (allocation.start, allocation.end)
    value = sum(grades) / len(grades)
    if broken:
        return Grade(value, f"{broken[0]}.", span)
    return Grade(value, "Caps are kept." if value == 1 else "A capped retailer has no amount.")


def distinct_amounts(evidence: Evidence) -> Grade:
    """Whether the split is a decision rather than one number pasted for each retailer.

    Different plausible amounts over the retailers asked for; an equal split that adds up earns half.
    """
    wanted, budget = evidence.facts.retailers, evidence.facts.budget
    if len(wanted) < 2:
        return Grade(None, "Fewer than two retailers to tell apart.")
    amounts = [amount for amount in evidence.given.values() if _plausible(amount, evidence)]
    different = len({round(amount, 2) for amount in amounts})
    value = max(0, different - 1) / (len(wanted) - 1)
    if different == 1 and len(amounts) >= len(wanted):
        total = math.fsum(amounts)
        equal_split = budget is not None and abs(total - budget) <= 0.01 * budget
        return Grade(0.5 if equal_split else 0.0, "Every retailer gets the same amount.")
    return Grade(min(1.0, value), f"{different} different amounts for {len(wanted)} retailers.")


def _plausible(amount: float, evidence: Evidence) -> bool:
    budget = evidence.facts.budget
    return amount > 0 and (budget is None or SMALLEST_SHARE * budget <= amount <= budget * (1 + ROUNDING))


def _money(value: float, evidence: Evidence) -> str:
    rounded = value if value < 10_000 else round(value, 3 - len(str(int(value))))
    return format_money(rounded, evidence.facts.currency or "$")


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
