"""Isotonic maps from judges' scores to what people say, kept only where they help on labels not used for fitting."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from rlhf.state.keys import derived_seed
from rlhf.state.measures import CrossValidated, ScoreMap
from rlhf.state.scores import through_map, weighted_mean
from rlhf.training.statistics.intervals import mean_interval
from rlhf.training.statistics.preferences import choice, hit
from rlhf.training.statistics.score_maps import fit_pairs, fit_scores, win_probability, win_slope

OVERALL = "overall"
FOLDS = 5
MIN_LABELS = 30
"""Fewest labels to fit a map on; they must come from FOLDS prompts at least."""


@dataclass(frozen=True)
class Side:
    """A response's raw scores (0–100) per scored dimension, and the caps the evidence sets."""

    scores: Mapping[str, float]
    caps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A label with the raw scores of what it is about.

    With one side `target` is people's score, 0–100; with two it is 1 where the first is better, 0 where the
    second is, 0.5 for a tie. `about` is a dimension, or OVERALL for the response as a whole. Cases of one
    `group` (a prompt) never stand on both sides of a split.
    """

    group: str
    sides: tuple[Side, ...]
    target: float
    about: str = OVERALL


@dataclass(frozen=True)
class Fit:
    """The maps that proved useful, and what each did in cross-validation."""

    dimensions: dict[str, ScoreMap]
    overall: ScoreMap | None
    figures: dict[str, CrossValidated]
    held_out: list[tuple[float | None, ...]]
    """Per case, the overall score of each side through maps fitted without its prompt; None: nothing scored."""


_Read = Callable[[Side], float | None]
_Maps = Mapping[str, ScoreMap]


def calibrate(cases: Sequence[Case], weights: Mapping[str, float], seed: int) -> Fit:
    """Fit and test a map per dimension and one for the overall score; all cases have one side, or all two.

    A dimension's map is fitted on the labels about it, or without such on those about the whole response. The
    overall map is fitted on the weighted mean of the calibrated dimensions. For scores it is isotonic
    regression of people's score on the judges' (Zadrozny & Elkan 2002). For pairs it is the log odds of winning
    after isotonic regression of wins on scores, drawn to the mean and spread that the raw scores have: pairs
    say which is better, not how good.

    A map is kept if, over FOLDS folds of whole prompts, its error is below that of the raw scores (lower end
    of the 95 % interval over prompts above zero) and likewise below that of one same score for all. The error is the
    absolute distance in points; for pairs it is the Brier score of the win probability, a logistic function of
    the score difference whose slope is fitted with the map.
    """
    work = _Work(cases, weights, seed)
    figures: dict[str, CrossValidated] = {}
    for name in weights:
        figures[name] = work.tested(name, ())
    kept = [name for name in weights if figures[name].stored]
    figures[OVERALL] = work.tested(OVERALL, kept)
    has_overall = figures[OVERALL].stored
    dimensions, overall = work.maps(cases, kept, has_overall)
    return Fit(dimensions, overall, figures, work.held_out(kept, has_overall))


class _Work:
    def __init__(self, cases: Sequence[Case], weights: Mapping[str, float], seed: int) -> None:
        self.cases, self.weights, self.seed = cases, weights, seed
        groups = sorted(
            {case.group for case in cases}, key=lambda group: (derived_seed(seed, group, "fold"), group)
        )
        self.fold = {group: place % FOLDS for place, group in enumerate(groups)}
        self.own = {case.about for case in cases} - {OVERALL}

    def about(self, name: str, cases: Iterable[Case]) -> list[Case]:
        """The cases that teach something about `name` and have its score on every side."""
        source = name if name in self.own else OVERALL
        read = self.reader(name, {}, None)
        return [c for c in cases if c.about == source and all(read(side) is not None for side in c.sides)]

    def reader(self, name: str, dimensions: _Maps, overall: ScoreMap | None) -> _Read:
        """How a side's score is read through the maps, as that of a response is that is judged with them."""

        def dimension(side: Side, name: str) -> float | None:
            score = side.scores.get(name)
            return None if score is None else through_map(score, dimensions.get(name), side.caps.get(name))

        def whole(side: Side) -> float | None:
            scores = {name: dimension(side, name) or 0.0 for name in side.scores if name in self.weights}
            return weighted_mean(scores, self.weights, overall)

        return whole if name == OVERALL else lambda side: dimension(side, name)

    def maps(
        self, cases: Iterable[Case], kept: Iterable[str], has_overall: bool
    ) -> tuple[dict[str, ScoreMap], ScoreMap | None]:
        """The maps of the `kept` dimensions, and the overall one where wanted, fitted on `cases`."""
        known = list(cases)
        dimensions = {
            name: found
            for name in kept
            if (found := _fitted(self.about(name, known), self.reader(name, {}, None)))
        }
        overall = None
        if has_overall:
            overall = _fitted(self.about(OVERALL, known), self.reader(OVERALL, dimensions, None))
        return dimensions, overall

    def tested(self, name: str, kept: Sequence[str]) -> CrossValidated:
        """What a map for `name` does on the folds it was not fitted on; `kept` dimensions come before it."""
        usable = self.about(name, self.cases)
        prompts = len({case.group for case in usable})
        if len(usable) < MIN_LABELS or prompts < FOLDS:
            few = f"{len(usable)} labels of {prompts} prompts; {MIN_LABELS} of {FOLDS} are needed"
            return CrossValidated(num_labels=len(usable), note=few)
        found = _Errors()
        for fold in range(FOLDS):
            train = [case for case in self.cases if self.fold[case.group] != fold]
            test = [case for case in usable if self.fold[case.group] == fold]
            if not test:
                continue
            dimensions, overall = self.maps(train, kept, has_overall=name == OVERALL)
            if name != OVERALL:
                dimensions, _ = self.maps(train, [name], has_overall=False)
            taught = self.about(name, train)
            found.add(taught, test, self.reader(name, {}, None), self.reader(name, dimensions, overall))
        return found.judged(usable)

    def held_out(self, kept: Sequence[str], has_overall: bool) -> list[tuple[float | None, ...]]:
        """Overall scores through maps fitted on the other folds."""
        readers = {}
        for fold in set(self.fold.values()):
            train = [case for case in self.cases if self.fold[case.group] != fold]
            readers[fold] = self.reader(OVERALL, *self.maps(train, kept, has_overall))
        return [tuple(readers[self.fold[case.group]](side) for side in case.sides) for case in self.cases]


class _Errors:
    """Errors on held-out cases, case by case."""

    def __init__(self) -> None:
        self.raw: list[float] = []
        self.constant: list[float] = []
        self.calibrated: list[float] = []
        self.groups: list[str] = []
        self.hits: list[tuple[float, float]] = []

    def add(self, train: Sequence[Case], test: Sequence[Case], before: _Read, after: _Read) -> None:
        self.groups += [case.group for case in test]
        self.raw += _errors(train, test, before)
        self.calibrated += _errors(train, test, after)
        same = 0.5 if len(test[0].sides) == 2 else fmean(case.target for case in train)
        squared = len(test[0].sides) == 2
        self.constant += [(same - c.target) ** 2 if squared else abs(same - c.target) for c in test]
        if squared:
            self.hits += [(_hit(c, before), _hit(c, after)) for c in test if c.target != 0.5]

    def _gain(self, over: Sequence[float]) -> float:
        """How much smaller the calibrated error is at least: lower end of the interval over prompts."""
        gains: dict[str, list[float]] = {}
        for group, error, calibrated in zip(self.groups, over, self.calibrated, strict=True):
            gains.setdefault(group, []).append(error - calibrated)
        return mean_interval([fmean(found) for found in gains.values()]).low

    def judged(self, cases: Sequence[Case]) -> CrossValidated:
        gain, informative = self._gain(self.raw), self._gain(self.constant) > 1e-9
        stored = gain > 1e-9 and informative
        if stored:
            note = "better on held-out labels"
        elif not informative:
            note = "not proved better than the same score for all"
        else:
            note = "not proved better than the raw scores"
        return CrossValidated(
            num_labels=len(cases),
            raw=round(fmean(self.raw), 4),
            constant=round(fmean(self.constant), 4),
            calibrated=round(fmean(self.calibrated), 4),
            gain_low=round(gain, 4),
            raw_accuracy=round(fmean(raw for raw, _ in self.hits), 4) if self.hits else None,
            calibrated_accuracy=round(fmean(after for _, after in self.hits), 4) if self.hits else None,
            stored=stored,
            note=note,
        )


def _fitted(cases: Sequence[Case], read: _Read) -> ScoreMap | None:
    if not cases:
        return None
    scores = [[_known(read(side)) for side in case.sides] for case in cases]
    if len(cases[0].sides) == 1:
        return fit_scores([score for (score,) in scores], [case.target for case in cases])
    return fit_pairs([(a, b) for a, b in scores], [case.target for case in cases])


def _errors(train: Sequence[Case], test: Sequence[Case], read: _Read) -> list[float]:
    if len(test[0].sides) == 1:
        return [abs(_known(read(case.sides[0])) - case.target) for case in test]
    slope = win_slope([_difference(case, read) for case in train], [case.target for case in train])
    return [(win_probability(_difference(case, read), slope) - case.target) ** 2 for case in test]


def _hit(case: Case, read: _Read) -> float:
    first, second = (_known(read(side)) for side in case.sides)
    return hit(choice(first, second), "a" if case.target == 1 else "b")


def _difference(case: Case, read: _Read) -> float:
    first, second = (_known(read(side)) for side in case.sides)
    return first - second


def _known(score: float | None) -> float:
    if score is None:
        raise ValueError("a case without a score is in use")
    return score
