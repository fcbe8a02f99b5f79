"""Which examples repeat each other least, as a compressor sees them?

ZIP of "Entropy Law" (Yin et al. 2024, arXiv 2407.06645, algorithm 1). With `g(D)` the bytes of a text divided by
the bytes that zlib makes of it, and π_i = g(d_i) at first, rounds of

    1. the K1 with the lowest π of those left: π_i ← g(D + d_i), D all that is selected
    2. of them the K2 with the lowest π
    3. K3 times, of the K2 the one with the lowest g(D' + d_i), D' this round's own picks

Texts are joined with a line break. zlib looks back 32 KB, so of a longer D its end alone tells.
"""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from core.selection.criterion import Criterion
from core.selection.greedy import Step
from core.selection.pool import Pool
from core.selection.ranking import Ordered, Ranking, of_steps
from core.selection.room import Room
from core.settings import Settings


class ZipSettings(Settings):
    """ZIP's three stages."""

    k1: int = Field(10_000, ge=1, le=10_000_000, description="Examples tried with all that is selected, in a round.")
    k2: int = Field(200, ge=1, le=1_000_000, description="Of these, examples tried with the round's own picks.")
    k3: int = Field(100, ge=1, le=1_000_000, description="Of these, examples that a round selects.")


class Compressed:
    """A growing text, joined with line breaks, of which zlib has compressed what there is so far."""

    def __init__(self) -> None:
        self._state, self._raw, self._out, self._joint = zlib.compressobj(), 0, 0, b""

    def ratio_with(self, text: bytes) -> float:
        """g: bytes ÷ compressed bytes of the whole, were `text` appended."""
        piece, state = self._joint + text, self._state.copy()
        return (self._raw + len(piece)) / (self._out + len(state.compress(piece)) + len(state.flush()))

    def append(self, text: bytes) -> None:
        """Let the text grow."""
        piece = self._joint + text
        self._out += len(self._state.compress(piece))
        self._raw, self._joint = self._raw + len(piece), b"\n"


def rank_zip(pool: Pool, room: Room, settings: ZipSettings, _: int) -> Ordered:
    """ZIP's order until the room is paid; pins are selected first."""
    assert pool.read_texts is not None  # Criterion.check_needs
    texts = pool.read_texts()
    selected = Compressed()
    for pin in pool.pinned:
        selected.append(_encode(texts[pin]))
    within = room.copy() if room.has_quotas else room.without_limit()
    steps = _search(selected, [_encode(texts[row]) for row in pool.candidates], pool.candidates, within, settings)
    found = of_steps(steps, pool.candidates, room)
    return Ordered((Ranking(found.rankings[0].rows),), found.is_complete)


def _search(
    selected: Compressed, texts: Sequence[bytes], rows: np.ndarray, within: Room, settings: ZipSettings
) -> Iterator[Step]:
    """ZIP's rounds over the texts of `rows` [n] ascending; of equals the lowest row."""
    state = _ratios(Compressed(), texts, range(len(texts)))
    left = np.arange(len(texts))
    while len(left := left[within.fits(left)]):
        tried = _lowest(state, left, settings.k1)
        state[tried] = _ratios(selected, texts, tried)
        rest, picked = _lowest(state, tried, settings.k2), Compressed()
        for _ in range(settings.k3):
            if not len(rest := rest[within.fits(rest)]):
                break
            ratios = _ratios(picked, texts, rest)
            winner = int(rest[np.argmin(ratios)])
            within.take(winner)
            yield Step(int(rows[winner]), 0.0, len(rest))
            picked.append(texts[winner])
            selected.append(texts[winner])
            rest, left = rest[rest != winner], left[left != winner]


def _lowest(state: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """The places, ascending, of the lowest states; of equals the first."""
    lowest: np.ndarray = np.sort(places[np.argsort(state[places], kind="stable")[:count]])
    return lowest


def _ratios(before: Compressed, texts: Sequence[bytes], places: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.array([before.ratio_with(texts[place]) for place in places], dtype=np.float64)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


CRITERIA = (
    Criterion(
        name="zip",
        goal="Say the least twice",
        explanation="Takes, a round at a time, the examples whose texts compress least together with those already "
        "taken, so that few words repeat. More tries (k1, k2) look further and take longer; the smaller k3, the "
        "sooner a round minds all that is selected.",
        source="ZIP: Entropy Law, arXiv 2407.06645",
        reason="compresses least with what was taken before",
        settings=ZipSettings,
        rank=rank_zip,
        is_baseline=True,
        needs=("texts",),
    ),
)
