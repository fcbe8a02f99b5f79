"""What is drawn on the map, and does it fit together?"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import Any, Final
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray

LEFT_OUT, SELECTED, PINNED, BANNED, QUARANTINED = range(5)
"""Shapes: small dot, larger disc, diamond, cross, hollow square."""

SHAPE_NAMES: Final = ("Left out", "Selected", "Pinned", "Banned", "Quarantined")
HEX_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")

_fingerprints: dict[tuple[int, int], tuple[ReferenceType, ReferenceType, str]] = {}


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One class of the legend. `colour` is `#rrggbb`; `shape` one of the five."""

    label: str
    colour: str
    shape: int
    count: int


@dataclass(frozen=True, slots=True)
class LegendRamp:
    """The legend of a continuous palette: its ends in words or numbers, and what it shows."""

    low: str
    high: str
    title: str


@dataclass(frozen=True, slots=True)
class MapLabel:
    """Words that stand for a neighbourhood of `count` points, written round (x, y)."""

    text: str
    x: float
    y: float
    count: int


@dataclass(frozen=True)
class ScatterPoints:
    """What to draw; index i of every array is one point. A NaN position is not drawn.

    The arrays must not change afterwards: `x` and `y` are told apart by what they were at first.

    Raises ValueError where the arrays do not fit together or a colour is not `#rrggbb`.
    """

    x: NDArray[np.float32]  # [N]
    y: NDArray[np.float32]  # [N]
    shape: NDArray[np.uint8]  # [N], 0 to 4
    colour: NDArray[np.uint8]  # [N], index into palette
    palette: list[str]
    legend: list[LegendEntry] | LegendRamp = field(default_factory=list)
    highlight: int | None = None
    found: NDArray[np.uint8] | None = None  # [N], 1 where a search matches: the others fade
    labels: Sequence[MapLabel] = ()
    start_lasso: list[tuple[float, float]] | None = None  # taken where the browser keeps no lasso of its own

    def __post_init__(self) -> None:
        dtypes = {"x": np.float32, "y": np.float32, "shape": np.uint8, "colour": np.uint8}
        for name, dtype in dtypes.items() if self.found is None else {**dtypes, "found": np.uint8}.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != (len(self.x),):
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}; it must be {np.dtype(dtype)} ({len(self.x)},)."
                )
        if not 1 <= len(self.palette) <= 256:
            raise ValueError(f"The palette has {len(self.palette)} colours; it must have 1 to 256.")
        if len(self.x) and (self.shape.max() > QUARANTINED or self.colour.max() >= len(self.palette)):
            raise ValueError(f"A shape is above {QUARANTINED} or a colour is not in the palette.")
        if self.highlight is not None and not 0 <= self.highlight < len(self.x):
            raise ValueError(f"Row {self.highlight} to highlight is not among the {len(self.x)} points.")
        for colour in [*self.palette, *(entry.colour for entry in self.entries)]:
            if not HEX_COLOUR.fullmatch(colour):
                raise ValueError(f"Colour {colour!r} is not of the form #rrggbb.")
        places = [*((label.x, label.y) for label in self.labels), *(self.start_lasso or [])]
        if not np.isfinite(list(chain.from_iterable(places))).all():
            raise ValueError("A label or the lasso to start with lies at no finite place.")

    @property
    def entries(self) -> list[LegendEntry]:
        """The legend's classes; none where it is a ramp."""
        return [] if isinstance(self.legend, LegendRamp) else self.legend

    @property
    def ramp(self) -> LegendRamp | None:
        """The legend's ramp, where it is one."""
        return self.legend if isinstance(self.legend, LegendRamp) else None

    def count_shapes(self) -> list[int]:
        """How many points have each of the five shapes."""
        return np.bincount(self.shape, minlength=len(SHAPE_NAMES)).tolist()


def describe_legend(points: ScatterPoints) -> dict[str, Any]:
    """The legend as the browser reads it. What each shape means is added where the entries do not tell.

    An entry that stands alone for its shape switches it on and off.
    """
    told = [entry.shape for entry in points.entries]
    counts = points.count_shapes()
    is_told = len(told) == len(set(told)) > 1 or sum(count > 0 for count in counts) <= 1
    shapes = [
        {"label": name, "colour": None, "shape": shape, "count": counts[shape]}
        for shape, name in enumerate(SHAPE_NAMES)
        if counts[shape] and not is_told
    ]
    return {
        "ramp": asdict(points.ramp) if points.ramp else None,
        "entries": [asdict(entry) | {"isSwitch": is_told and len(told) > 1} for entry in points.entries],
        "shapes": [shape | {"isSwitch": True} for shape in shapes],
    }


def fingerprint_positions(x: NDArray[np.float32], y: NDArray[np.float32]) -> str:
    """A digest of the positions, computed once for as long as both arrays live."""
    place = id(x), id(y)
    known = _fingerprints.get(place)
    if known and known[0]() is x and known[1]() is y:
        return known[2]
    digest = digest_of(x, y)
    _fingerprints[place] = ref(x, lambda _: _fingerprints.pop(place, None)), ref(y), digest
    return digest


def digest_of(*arrays: NDArray[Any]) -> str:
    """A digest that tells these arrays' contents from others'."""
    digest = blake2b(str(len(arrays)).encode(), digest_size=8)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
