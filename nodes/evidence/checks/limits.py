"""Checks on the limits of money: the budget, the caps, the currency."""

import math
import re
from typing import Final

from rlhf.nodes.evidence.checks.money import SMALLEST_SHARE, shown_money
from rlhf.nodes.evidence.readers.amounts import Amount
from rlhf.nodes.evidence.readers.readings import ROUNDING
from rlhf.nodes.evidence.readers.roles import role_of
from rlhf.nodes.evidence.results import Evidence, Grade

_FAMILIES: Final = (("$", "SGD", "USD"), ("¥", "CN¥"), ("SEK", "NOK", "DKK", "ISK"))
AROUND: Final = 200  # characters on both sides that say what an amount is
SURELY_MORE: Final = 3.0  # times the budget: beyond that an amount in another currency is above it too


_HYPOTHETICAL: Final = re.compile(
    r"(?<!\w)(?:if|should|would|could|wenn|falls|würde|si|pourrait|podría|se|poderia)(?!\w)", re.IGNORECASE
)
_RESULT: Final = re.compile(
    r"(?<!\w)(?:sales|revenues?|turnover|worth|market|category|profits?|forecast|gmv|income|valuation|reported|recorded|"
    r"booked twice|invoiced|difference|umsatz|absatz|chiffre d.affaires|ventes|ventas|ingresos|vendas|receita)(?!\w)",
    re.IGNORECASE,
)
_US: Final = re.compile(r"us\$|usd|u\$s|us dollars", re.IGNORECASE)


def nothing_above_budget(evidence: Evidence) -> Grade:
    """Share of the amounts of money at or under the budget; where a split is asked for, 0 without amounts.

    Sales, prices and totals that the response only states are not held against the budget.
    """
    facts = evidence.facts
    budget = facts.budget
    if budget is None:
        return Grade(None, "No budget is known.")
    held = [(amount, amount.over(facts.days)) for amount in _spent(evidence)]
    held = [(amount, value) for amount, value in held if value >= SMALLEST_SHARE * budget]
    if not held and not any(given >= SMALLEST_SHARE * budget for given in evidence.given.values()):
        return Grade(0.0 if facts.retailers else None, "There are no amounts to hold against the budget.")
    findings = []
    for amount, value in held:
        value = max(value, amount.high)
        if not _is_planned(evidence, amount):
            continue
        if value > budget * (1 + ROUNDING if _fits(amount.currency, facts.currency) else SURELY_MORE):
            sentence = (
                f"{shown_money(value, amount.currency or facts.currency)} is above the budget of "
                f"{shown_money(budget, facts.currency)}."
            )
            findings.append(evidence.found("over_budget", amount.start, amount.end, sentence))
    told = {(each.start, each.end) for each in findings}
    for name, place in evidence.split.allocations.items():
        above = place.amount is not None and place.amount > budget * (1 + ROUNDING) and not place.by_share
        if above and (place.start, place.end) not in told and evidence.document.in_grid(place.start):
            sentence = f"{name}'s {shown_money(place.amount or 0.0, facts.currency)} is above the budget."
            findings.append(evidence.found("over_budget", place.start, place.end, sentence))
            held = [*held, (evidence.amounts[0], 0.0)] if evidence.amounts else held
    if findings:
        return Grade(
            max(0.0, 1 - len(findings) / max(len(held), len(findings))), findings[0].sentence, findings
        )
    return Grade(1.0, f"No amount is above {shown_money(budget, facts.currency)}.")


def caps_kept(evidence: Evidence) -> Grade:
    """Mean over the capped retailers: 1 within the cap, less the further above it, 0 without an amount."""
    caps = evidence.facts.caps
    if not caps:
        return Grade(None, "No caps are given.")
    grades, findings = [], []
    for name, cap in caps.items():
        place = evidence.split.allocations.get(name)
        if place is None or place.amount is None:
            grades.append(0.0)
            continue
        over = max(0.0, place.amount / cap - 1)
        grades.append(1.0 if over <= ROUNDING else 0.6 * math.exp(-over))
        if over > ROUNDING:
            currency = evidence.facts.currency
            sentence = (
                f"{name} gets {shown_money(place.amount, currency)}, its cap is {shown_money(cap, currency)}."
            )
            findings.append(evidence.found("cap_exceeded", place.start, place.end, sentence))
    value = sum(grades) / len(grades)
    if findings:
        return Grade(value, findings[0].sentence, findings)
    return Grade(value, "Caps are kept." if value == 1 else "A capped retailer has no amount.")


def currency_kept(evidence: Evidence) -> Grade:
    """0 if the split (or, without one, any amount that is to be spent) is in another currency than the budget."""
    wanted = evidence.facts.currency
    given = [
        place for place in evidence.split.allocations.values() if place.amount is not None and place.currency
    ]
    places = [(place.currency, place.start, place.end) for place in given]
    places = places or [(a.currency, a.start, a.end) for a in _spent(evidence) if a.currency]
    if wanted is None or not places:
        return Grade(None, "No currencies to compare.")
    for currency, start, end in places:
        us = wanted != "$" and wanted.endswith("$") and _US.search(evidence.response[start:end])
        if us or not _fits(currency, wanted):
            sentence = f"The budget is in {wanted}, not in {currency}."
            return Grade(0.0, sentence, [evidence.found("currency_mismatch", start, end, sentence)])
    return Grade(1.0, "The currency is the budget's.")


def _is_planned(evidence: Evidence, amount: Amount) -> bool:
    """Whether nothing in the sentence says that the amount is a result or the size of something."""
    clause = evidence.document.clause_at(amount.start)
    if clause is None:
        return True
    around = max(clause.start, amount.start - AROUND), min(clause.end, amount.end + AROUND)
    said = _HYPOTHETICAL.search(evidence.response, *around) or _RESULT.search(evidence.response, *around)
    return said is None


def _spent(evidence: Evidence) -> list[Amount]:
    """The amounts of money that are to be spent; those of tables are read by their columns."""
    stated = set(evidence.split.totals)
    found = []
    for amount in evidence.amounts:
        if amount.kind != "money" or amount in stated or evidence.document.in_grid(amount.start):
            continue
        clause = evidence.document.clause_at(amount.start)
        if clause and role_of(amount, evidence.response, clause.start, clause.end) == "spend":
            found.append(amount)
    return found


def _fits(currency: str | None, wanted: str | None) -> bool:
    """Whether both can be one currency: a plain $ may be any dollar, ¥ yen or yuan, kr any crown."""
    if currency is None or wanted is None or currency == wanted:
        return True
    families = [
        {each for each in (currency, wanted) if each in family or each.endswith(family[0])}
        for family in _FAMILIES
    ]
    return any(len(both) == 2 for both in families) and (not {currency, wanted}.isdisjoint({"$", "¥", "SEK"}))
