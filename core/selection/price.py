"""What would a selection's information be with some examples out and others in?

With the stacked factors G of those that go and those that come, and D = −1 for rows that go, +1 for rows that come,
the matrix determinant lemma gives

    log det(V + Gᵀ D G) − log det V = log det(I + D G V⁻¹ Gᵀ).
"""

import numpy as np
import torch

from core.selection.logdet import LogDet


def information_change(design: LogDet, out: np.ndarray, into: np.ndarray) -> float:
    """log det V_{S \\ out ∪ in} − log det V_S in nats, of a design that holds S; `out` are rows of S."""
    rows = np.concatenate([out, into]).astype(np.int64)
    G = design.factors.read(rows)
    if not len(G):
        return 0.0
    signs = torch.ones(len(G), dtype=G.dtype, device=G.device)
    signs[: int(design.factors.ranks[out.astype(np.int64)].sum())] = -1.0
    Y = G @ design.whitening()
    kernel = signs[:, None] * (Y @ Y.T)
    kernel.diagonal().add_(1.0)
    return float(torch.linalg.slogdet(kernel).logabsdet)
