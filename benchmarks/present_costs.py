"""What requests cost, as version 0.1's controller learnt it: see `present_controller`."""

from __future__ import annotations

from dataclasses import dataclass, field

from offramp_daemon.autopilot.work.history import TIERS, Tier

_ENOUGH = 0.02
"""After so much movement, in parts of the window, the factors mean something."""
_RIDGE = 8e-4
"""How strongly factors are drawn together: the error of a hundredth's step against how much tiers
differ (a fifth or so)."""
_ROUNDS = 20
_MOST_USED = 10.0
"""No window was ever overrun so far: a greater figure is a mistake."""
_MISREAD = 0.02
"""Answers overtake each other: so much less may be told by one that comes later."""
_MOST_AT_ONCE = 0.1
"""No answer here takes so much of the week: another device did, and says nothing of requests."""
_LEAST_WEIGHT = 1e-9
_MOST_WEIGHT = 1e6
"""No request weighs more: what does is a mistake, and would drown all others."""
_USUAL_PART = 0.12
_USUAL_WINDOWS = 0.3
"""How much of a 5-hour window has to move before its size is learnt rather than assumed."""


@dataclass(slots=True)
class CostModel:
    """Part of the weekly window that one unit of weight takes, by tier."""

    guess: float | None = None
    """The common factor as far as it was known before (from last week, say)."""
    moved: float = 0.0
    """All that the week's window moved while it was watched."""
    _weight: float = 0.0
    _products: dict[tuple[Tier, Tier], float] = field(default_factory=dict)
    _moves: dict[Tier, float] = field(default_factory=dict)
    _pending: dict[Tier, float] = field(default_factory=dict)
    _last: float | None = None
    _last_window: float | None = None
    _week_moves: float = _USUAL_PART * _USUAL_WINDOWS
    _window_moves: float = _USUAL_WINDOWS
    _factors: dict[Tier, float] | None = None

    @property
    def is_known(self) -> bool:
        """Whether the plan's figures have moved enough to tell anything."""
        return self.moved >= _ENOUGH

    @property
    def five_hour_part(self) -> float:
        """What a full 5-hour window is of the week."""
        return min(max(self._week_moves / self._window_moves, 0.01), 1.0)

    def factor(self, tier: Tier) -> float:
        """Return what one unit of that tier's weight takes of the weekly window."""
        if self._factors is None:
            self._factors = self._solved()
        return self._factors[tier]

    def add_pending(self, tier: Tier, weight: float) -> None:
        """Add a request of that weight that Claude answered, until the plan's figures move."""
        if _LEAST_WEIGHT < weight < _MOST_WEIGHT:  # false for what is not a number
            self._pending[tier] = self._pending.get(tier, 0.0) + weight

    def observe(self, week_used: float, window_used: float | None = None) -> None:
        """Claude's headers say this of its windows, after what was noted."""
        if not 0 <= week_used <= _MOST_USED:  # what is not a number is not in there either
            return
        last, self._last = self._last, _followed(self._last, week_used)
        move = None if last is None else self._last - last
        self._observe_window(move, window_used)
        if move is None or move < 0:
            self._pending.clear()  # the first figure, or a new window
        elif move > 0:  # else what is pending shows in the next hundredth
            self._learn(move)

    def _observe_window(self, week_move: float | None, window_used: float | None) -> None:
        if window_used is not None and not 0 <= window_used <= _MOST_USED:
            window_used = None
        last = self._last_window
        self._last_window = None if window_used is None else _followed(last, window_used)
        if last is None or self._last_window is None or week_move is None:
            return
        window_move = self._last_window - last
        is_behind = window_used != self._last_window  # what the week moved may not be in it
        if window_move >= 0 and 0 <= week_move <= _MOST_AT_ONCE and not is_behind:
            self._week_moves += week_move
            self._window_moves += window_move

    def _learn(self, move: float) -> None:
        if not self._pending or move > _MOST_AT_ONCE:
            self._pending.clear()
            return  # moved by another device: it says nothing of what requests here cost
        for tier, weight in self._pending.items():
            self._moves[tier] = self._moves.get(tier, 0.0) + weight * move
            for other, other_weight in self._pending.items():
                pair = (tier, other)
                self._products[pair] = self._products.get(pair, 0.0) + weight * other_weight
            self._weight += weight
        self.moved += move
        self._pending.clear()
        self._factors = None

    def _solved(self) -> dict[Tier, float]:
        """Return the ridge regression's solution, by Gauss and Seidel.

        Weights may come in any unit: they are brought to that of the window first, by the common
        factor, for the ridge to mean the same in all.
        """
        moved, weight = self.moved, self._weight
        if self.guess is not None:
            moved, weight = moved + _ENOUGH, weight + _ENOUGH / self.guess
        common = moved / weight if weight else 1.0
        square = common * common
        relative = dict.fromkeys(TIERS, 1.0)
        for _ in range(_ROUNDS):
            for tier in TIERS:
                others = sum(
                    self._products.get((tier, other), 0.0) * square * relative[other]
                    for other in TIERS
                    if other != tier
                )
                known = self._products.get((tier, tier), 0.0) * square
                moves = self._moves.get(tier, 0.0) * common
                relative[tier] = (moves - others + _RIDGE) / (known + _RIDGE)
        return {tier: common * min(max(part, 1 / 3), 3.0) for tier, part in relative.items()}


def _followed(last: float | None, used: float) -> float:
    """Return the figure that counts after `last`: a little less is an answer that was overtaken."""
    return used if last is None or used < last - _MISREAD else max(used, last)
