"""How new is each token to what was chosen?

The leverage of a token with feature x is `xᵀ V⁻¹ x`, V being the design matrix of the selection S: the variance that
is left in its direction, in units in which an unseen direction of length 1 has 1/λ. Over an example's tokens X it sums
to `tr(X V⁻¹ Xᵀ)`, the slope of log det V by the example's weight (`core/selection/logdet.py`).
"""

import numpy as np
import torch

from core.selection.design import Design


def token_leverage(design: Design, features: np.ndarray) -> np.ndarray:
    """`xᵀ V⁻¹ x = ‖x C‖²` of each row of `features` [T, p], [T] float64."""
    design.settle()
    C = design.whitening()
    Y = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float64)).to(C.device) @ C
    squares: np.ndarray = (Y**2).sum(dim=1).cpu().numpy()
    return squares
