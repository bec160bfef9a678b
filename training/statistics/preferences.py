"""How well choices between two responses agree with people's: accuracy, kappa, both orders, and the human ceiling."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean

from pydantic import Field

from rlhf.state.records import Choice, Record
from rlhf.training.statistics.agreement import cohen_kappa

LENGTH_MATCHED = 1.25
"""Two responses are of like length if the longer has at most this many times the other's characters."""
_EQUAL = 1e-9


class Share(Record):
    """A share of `number` rows with its 95 % Wilson interval."""

    value: float = Field(ge=0.0, le=1.0)
    """The share."""
    low: float = Field(ge=0.0, le=1.0)
    """Lower end of the interval."""
    high: float = Field(ge=0.0, le=1.0)
    """Upper end of the interval."""
    number: int = Field(ge=1)
    """Rows it is a share of."""


class PairFigures(Record):
    """Choices against people's labels on the same pairs. A figure without any row behind it is None."""

    num_labels: int
    """Pairs with a label."""
    num_judged: int
    """Pairs with a choice; the others failed and count in no figure but this one."""
    accuracy: Share | None = None
    """Share of the pairs people decided on which the choice is theirs; a tie counts half, as a coin would get."""
    accuracy_with_ties: Share | None = None
    """Share of all judged pairs with the same answer of three: a, b or tie."""
    kappa: float | None = None
    """Cohen's, over the three answers; None where chance alone cannot disagree."""
    tie_share: float | None = None
    """Share of the judged pairs that the judge calls a tie."""

    @property
    def coverage(self) -> float:
        """Share of the labels that were judged."""
        return self.num_judged / self.num_labels if self.num_labels else 0.0


class OrderFigures(Record):
    """Choices made in both orders of the two responses."""

    num_pairs: int
    """Pairs with a choice in both orders."""
    consistent: float
    """Share of pairs with the same choice in both orders."""
    first_share: float | None
    """Share of the choices, ties left out, that fell on what was shown first: 0.5 is even-handed."""
    given: PairFigures
    """As the label file has them."""
    swapped: PairFigures
    """Shown the other way round."""


class HumanCeiling(Record):
    """One person against the majority of the others."""

    accuracy: float
    """Share of the votes that are what most of the others say; votes against an even split or a tie are left out."""
    num_votes: int
    """Votes that the accuracy is about."""
    accuracy_with_splits: float
    """The same with even splits counted half."""


def choice(first: float, second: float, tie_within: float = 0.0) -> Choice:
    """The response with the higher score; a tie if the scores differ by `tie_within` points or less."""
    if abs(first - second) <= tie_within + _EQUAL:
        return "tie"
    return "a" if first > second else "b"


def longer(first: str, second: str) -> Choice:
    """The longer text, in characters."""
    return choice(len(first), len(second))


def length_matched(first: str, second: str) -> bool:
    """Whether the lengths, in characters, are within a factor of LENGTH_MATCHED."""
    short, long = sorted((len(first), len(second)))
    return long <= LENGTH_MATCHED * short


def wilson(successes: float, number: int) -> Share:
    """The share with its 95 % score interval (Wilson 1927); `successes` may hold halves. ValueError without rows."""
    if number < 1 or not 0 <= successes <= number:
        raise ValueError(f"{successes} of {number} is no share")
    z = NormalDist().inv_cdf(0.975)
    share, weight = successes / number, 1 + z * z / number
    middle = (share + z * z / (2 * number)) / weight
    spread = z * sqrt(share * (1 - share) / number + z * z / (4 * number * number)) / weight
    return Share(
        value=round(share, 4),
        low=round(max(0.0, middle - spread), 4),
        high=round(min(1.0, middle + spread), 4),
        number=number,
    )


def hit(judge: Choice, person: Choice) -> float:
    """1 for the person's choice, 0 for the other response, a half for a tie; `person` has decided."""
    return 0.5 if judge == "tie" else float(judge == person)


def pair_figures(judge: Sequence[Choice | None], people: Sequence[Choice]) -> PairFigures:
    """Choices (None: failed) against labels of the same pairs; ValueError if the lengths differ."""
    judged = [(said, label) for said, label in zip(judge, people, strict=True) if said is not None]
    decided = [hit(said, label) for said, label in judged if label != "tie"]
    if not judged:
        return PairFigures(num_labels=len(people), num_judged=0)
    kappa = cohen_kappa([said for said, _ in judged], [label for _, label in judged])
    return PairFigures(
        num_labels=len(people),
        num_judged=len(judged),
        accuracy=wilson(sum(decided), len(decided)) if decided else None,
        accuracy_with_ties=wilson(sum(said == label for said, label in judged), len(judged)),
        kappa=None if kappa is None else round(kappa, 4),
        tie_share=round(fmean(said == "tie" for said, _ in judged), 4),
    )


def random_figures(people: Sequence[Choice]) -> PairFigures:
    """What a fair coin gets on average; nothing is drawn, so there is no interval."""
    if not people:
        return PairFigures(num_labels=0, num_judged=0)
    decided = sum(label != "tie" for label in people)
    number = len(people)
    expected = round(decided / number / 2, 4)
    return PairFigures(
        num_labels=number,
        num_judged=number,
        accuracy=Share(value=0.5, low=0.5, high=0.5, number=decided) if decided else None,
        accuracy_with_ties=Share(value=expected, low=expected, high=expected, number=number),
        kappa=0.0,
        tie_share=0.0,
    )


def other(said: Choice) -> Choice:
    """The same choice when the responses change places."""
    return {"a": "b", "b": "a", "tie": "tie"}[said]  # type: ignore[return-value]


def both_orders(
    given: Sequence[Choice | None], swapped: Sequence[Choice | None]
) -> tuple[list[Choice | None], list[bool]]:
    """One choice per pair from two, both in the label file's names, and which pairs were told alike.

    Choices that contradict each other are a tie; a pair that failed in one order has the other order's choice.
    """
    joined: list[Choice | None] = []
    alike: list[bool] = []
    for one, two in zip(given, swapped, strict=True):
        if one is None or two is None:
            joined.append(one or two)
            continue
        joined.append(one if one == two else "tie")
        alike.append(one == two)
    return joined, alike


def order_figures(
    given: Sequence[Choice | None], swapped: Sequence[Choice | None], people: Sequence[Choice]
) -> OrderFigures | None:
    """What the order of showing does to the choices; None if no pair was judged in both."""
    _, alike = both_orders(given, swapped)
    if not alike:
        return None
    both = [(one, two) for one, two in zip(given, swapped, strict=True) if one and two]
    shown_first = [one == "a" for one, _ in both if one != "tie"] + [
        two == "b" for _, two in both if two != "tie"
    ]
    return OrderFigures(
        num_pairs=len(alike),
        consistent=round(fmean(alike), 4),
        first_share=round(fmean(shown_first), 4) if shown_first else None,
        given=pair_figures(given, people),
        swapped=pair_figures(swapped, people),
    )


def human_ceiling(votes: Sequence[Sequence[Choice]]) -> HumanCeiling | None:
    """Each person's vote against the majority of the others on the same pair; None without such a majority.

    Votes for a tie are left out, as are labels of ties where judges are measured.
    """
    hits: list[float] = []
    splits = 0
    for row in votes:
        for place, vote in enumerate(row):
            others = Counter([*row[:place], *row[place + 1 :]]).most_common()
            if vote == "tie" or not others:
                continue
            if len(others) > 1 and others[0][1] == others[1][1]:
                splits += 1
            elif others[0][0] != "tie":
                hits.append(float(vote == others[0][0]))
    if not hits:
        return None
    return HumanCeiling(
        accuracy=round(fmean(hits), 4),
        num_votes=len(hits),
        accuracy_with_splits=round((sum(hits) + splits / 2) / (len(hits) + splits), 4),
    )
