"""What the paper reports, as data: Savine, Pydi, Atif and Cappé, arXiv:2507.21009v2.

All of it was measured with Llama-2-7B on PHEE, LoRA with alpha 16 at every rank, 3 epochs, one seed.
"""

from __future__ import annotations

from typing import NamedTuple

SETTING = "Llama-2-7B, PHEE, alpha 16, 1 seed"
"""What its numbers were measured on, to stand beside each of them."""


class Area(NamedTuple):
    """A cell of Table 3.1."""

    matrices: str
    rank: int
    auc: float
    half_width: float
    """Half the 95% interval of Hanley and McNeil."""

    @property
    def parameters(self) -> int:
        """Trainable parameters: 32 layers, and two sides of 4,096 for each matrix and rank."""
        return 32 * 2 * 4096 * self.rank * len(self.matrices)


TABLE_3_1 = (
    Area("q", 1, 0.68, 0.02), Area("k", 1, 0.68, 0.02), Area("v", 1, 0.80, 0.01), Area("o", 1, 0.77, 0.02),
    Area("qk", 1, 0.76, 0.02),
    Area("q", 2, 0.70, 0.02), Area("k", 2, 0.71, 0.02), Area("v", 2, 0.82, 0.01), Area("o", 2, 0.79, 0.01),
    Area("qk", 2, 0.77, 0.02),
    Area("q", 4, 0.72, 0.02), Area("k", 4, 0.71, 0.02), Area("v", 4, 0.83, 0.01), Area("o", 4, 0.80, 0.01),
    Area("qk", 4, 0.79, 0.01),
)  # fmt: skip
"""ROC AUC on the original training set."""

FIGURE_3_6 = (
    (1, 0.909), (2, 0.924), (4, 0.931), (8, 0.939), (16, 0.942), (32, 0.944), (64, 0.945), (128, 0.9456), (256, 0.945),
    (512, 0.944),
)  # fmt: skip
"""Rank and AUC with all four attention matrices, read off the plot."""

R_SQUARED = {"target": 0.135, "base": 0.004}
"""R² of the n-gram share on the perplexity in the fine-tuned model (Fig. 3.4) and in the base model (Fig. 3.5)."""

SCATTERED = ("v", 8, 8)
"""Matrices, rank and copies of Figures 3.3 to 3.5."""

TABLE_A_1 = ((16, 0.1, 1.0), (16, 0.5, 0.2), (16, 1.0, 0.2), (32, 0.1, 1.0), (32, 0.5, 1.0), (32, 1.0, 1.0))
"""Copies, temperature and n-gram share of the one planted record, with matrix O at rank 1."""

FINDINGS = {
    "matrices": "V and O memorize more than Q and K at equal rank and size; Q+K at rank 1 more than Q or K at rank 2.",
    "perplexity": "The lower the perplexity in the fine-tuned model, the more comes back; that in the base model does "
    "not predict it.",
    "rank": "Memorization grows with the rank and levels off past about 50.",
    "copies": "A record that stands 16 times in the training set comes back at a low temperature, with 32 copies at "
    "every temperature tried.",
    "epochs": "Not varied: 3 epochs throughout.",
}
"""What the paper finds, by question."""
