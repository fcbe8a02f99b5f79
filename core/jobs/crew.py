"""Who works on a common list of pieces? Hands: each does one piece after the other, until none is left.

A hand is a process on this machine, or an actor on a cluster. One that dies is replaced and its piece done again. A
piece that two hands died of is tried once more at the end by a hand that works alone, since it may have been the others
that left it no memory; if that dies too, it is given up. What a hand holds when the crew is stopped is lost, and
nothing else.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, Protocol, TypeVar

Piece = TypeVar("Piece", contravariant=True)
Result = TypeVar("Result", covariant=True)

MOST_DEATHS = 2
"""Of hands that held the same piece; as many may a place lose in a row before one did anything."""
MOST_SUSPECTS = 4
"""So many pieces one after the other, with none done between, are no fault of theirs."""
LOOK_SECONDS = 0.5


class HandDied(Exception):
    """A hand is gone. `by_piece` where what it held may be the cause: it had begun, and its machine is still there."""

    def __init__(self, why: str, *, by_piece: bool) -> None:
        super().__init__(why)
        self.by_piece = by_piece


class Hand(Protocol[Piece, Result]):
    """Does one piece after the other, in a process of its own."""

    def begin(self) -> None:
        """Wait until it is ready. Raises HandDied, or what its preparation raised."""

    def do(self, piece: Piece) -> Result:
        """Raises HandDied, or what the work itself raised."""

    def leave(self) -> None:
        """End at once, whatever is held; called from another thread."""


class _Place(Generic[Piece, Result]):
    """Where a hand works, and the next one when it died."""

    def __init__(self, make: Callable[[], Hand[Piece, Result]]) -> None:
        self._make, self._is_closed = make, False
        self._hand: Hand[Piece, Result] | None = None
        self._lost_in_a_row = 0

    def begin(self) -> None:
        self._hand = self._make()
        if self._is_closed:
            self._hand.leave()
        self._hand.begin()

    def do(self, piece: Piece) -> Result:
        assert self._hand is not None
        result = self._hand.do(piece)
        self._lost_in_a_row = 0
        return result

    def survives(self, death: HandDied) -> bool:
        self._lost_in_a_row += not death.by_piece
        return self._lost_in_a_row < MOST_DEATHS

    def close(self) -> None:
        self._is_closed = True
        if self._hand is not None:
            self._hand.leave()


class _Round(Generic[Piece]):
    """The pieces that are still waiting, and those that as many hands died of as are allowed to."""

    def __init__(self, pieces: Sequence[Piece], most_deaths: int, most_suspects: int) -> None:
        self.waiting, self.suspects = deque(enumerate(pieces)), list[tuple[Piece, str]]()
        self.in_a_row = 0
        self._deaths, self._most_deaths, self._most_suspects = Counter[int](), most_deaths, most_suspects

    def count(self, number: int, piece: Piece, death: HandDied) -> None:
        """A piece whose hand died waits again, or is suspect. Raises HandDied after too many in a row."""
        self._deaths[number] += death.by_piece
        if self._deaths[number] < self._most_deaths:
            self.waiting.appendleft((number, piece))
            return
        self.suspects.append((piece, str(death)))
        self.in_a_row += 1
        if self.in_a_row >= self._most_suspects:
            raise HandDied(f"{self.in_a_row} pieces in a row had that end: {death}", by_piece=False)


class Crew(Generic[Piece, Result]):
    """Hands that are made by `makers`, one place each, for a list of pieces.

    Of each piece `done` or `given_up` is called once, in the thread that calls `work`, as `check` is now and then.
    """

    def __init__(
        self,
        makers: Sequence[Callable[[], Hand[Piece, Result]]],
        done: Callable[[Piece, Result], None],
        given_up: Callable[[Piece, str], None],
        check: Callable[[], None],
    ) -> None:
        self._makers, self._done, self._given_up, self._check = makers, done, given_up, check

    def work(self, pieces: Sequence[Piece]) -> None:
        """Do all pieces. What the work, `done`, `given_up` or `check` raises ends all hands and is raised here.

        Raises HandDied when no hand is left, since each place lost two in a row before they had done anything, and
        when hands die of one piece after the other.
        """
        suspects = self._work(pieces, self._makers, MOST_DEATHS, MOST_SUSPECTS)
        if suspects and len(self._makers) > 1:
            suspects = self._work([piece for piece, _ in suspects], self._makers[:1], 1, len(suspects) + 1)
        for piece, why in suspects:
            self._given_up(piece, why)

    def _work(
        self, pieces: Sequence[Piece], makers: Sequence[Callable[[], Hand[Piece, Result]]], deaths: int, most: int
    ) -> list[tuple[Piece, str]]:
        """Do the pieces; those that so many hands died of, and why."""
        places = [_Place(make) for make in makers[: len(pieces)]]
        with ThreadPoolExecutor(max(len(places), 1)) as threads:
            try:
                round_ = _Round(pieces, deaths, most)
                self._share_out(round_, places, threads)
            finally:
                for place in places:
                    place.close()
        return round_.suspects

    def _share_out(self, of: "_Round[Piece]", places: list[_Place], threads: ThreadPoolExecutor) -> None:
        waiting, ready = of.waiting, deque[_Place]()
        beginning = {threads.submit(place.begin): place for place in places}
        busy = dict[Future, tuple[_Place, int, Piece]]()
        while waiting or busy:
            while waiting and ready:
                place, (number, piece) = ready.popleft(), waiting.popleft()
                busy[threads.submit(place.do, piece)] = place, number, piece
            self._check()
            for future in wait([*busy, *beginning], LOOK_SECONDS, FIRST_COMPLETED).done:
                held = busy.pop(future, None)
                place = held[0] if held else beginning.pop(future)
                try:
                    result = future.result()
                except HandDied as death:
                    if held:
                        of.count(held[1], held[2], death)
                    if place.survives(death):
                        beginning[threads.submit(place.begin)] = place
                    elif not (ready or busy or beginning):
                        raise
                else:
                    ready.append(place)
                    if held:
                        of.in_a_row = 0
                        self._done(held[2], result)
