"""What is the feature of each token of one example, as the design sees it?

`FᵀF ≈ XᵀX` is all that a run keeps of an example's features X (`core/scoring/factors.py`). To look at single tokens
one forward pass of this example computes X anew.
"""

from dataclasses import dataclass

import numpy as np
import torch

from core.records import Rendered
from core.scoring.scorer import Scorer


@dataclass(frozen=True, slots=True)
class TokenFeatures:
    """One example's features in units of its run's root-mean-square norm: `design` [n, p] float64 are those that its
    factor was made of, of which those at `is_response` [n] predict its response tokens, in order."""

    design: np.ndarray
    is_response: np.ndarray

    @property
    def response(self) -> np.ndarray:
        """Those of the response tokens, [T, p]."""
        rows: np.ndarray = self.design[self.is_response]
        return rows


@torch.inference_mode()
def read_token_features(scorer: Scorer, example: Rendered, rms_norm: float) -> TokenFeatures:
    """One forward pass of an example that can be scored; weighed, projected and scaled as the factors are."""
    (tokens,) = scorer.forward.score_batch([example])
    design = scorer.weigh(tokens).double().cpu().numpy() / rms_norm
    predicted = np.array(example.response_mask[1:], dtype=bool)
    is_response = predicted if tokens.all_features is not None else np.ones(len(design), dtype=bool)
    return TokenFeatures(design, is_response)
