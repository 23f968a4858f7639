"""The probability of the true token under a decoding: temperature, then top-k, then top-p, as transformers apply them.

Source: Hayes et al. 2024 (arXiv:2410.19482, section 3) read the probability of a whole suffix off one pass; the rules
for ties are those of TopKLogitsWarper and TopPLogitsWarper.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mnemoscope.decoding import Decoding

SPARE = 16
"""Logits looked at beyond the k largest, for ties with the k-th: 16-bit logits have them at every other token."""

SLACK = 1e-6
"""Relative distance of two logits under which the division by a temperature may make them equal."""


def warped(logits: torch.Tensor, truth: torch.Tensor, decodings: Sequence[Decoding]) -> torch.Tensor:
    """Log-probabilities in nats of the true tokens, -inf where a token can never come.

    Args:
        logits: shape (n, V), in the model's dtype; left as they are.
        truth: ids of the true tokens, shape (n,).
        decodings: that sample at one temperature.

    Returns:
        Shape (n, len(decodings)), float32, as is all arithmetic.
    """
    true = logits.gather(1, truth[:, None]).float()
    searches = {_search(decoding) for decoding in decodings}
    candidates = {search: _candidates(logits, *search) for search in searches}
    found = [_logprobs(candidates[_search(decoding)], true, decoding) for decoding in decodings]
    return torch.cat(found, dim=1) if found else true[:, :0]


def _search(decoding: Decoding) -> tuple[int, bool]:
    """What is looked for among the logits, the same for all temperatures: top-k, and whether the order counts."""
    return decoding.top_k, bool(decoding.top_k) or decoding.top_p < 1


def _candidates(logits: torch.Tensor, top_k: int, ordered: bool) -> torch.Tensor:
    """Logits of all tokens that may come at some temperature, shape (n, m), ascending where the order counts."""
    if top_k:
        return _largest(logits, top_k)
    return logits.float().sort(dim=1).values if ordered else logits.float()


def _largest(logits: torch.Tensor, k: int) -> torch.Tensor:
    """The k largest logits of each row, all that tie with the k-th, and maybe some below; ascending, shape (n, m)."""
    vocabulary = logits.shape[1]
    top = logits.topk(min(k + SPARE, vocabulary)).values.float()
    if top.shape[1] < vocabulary:
        border = top[:, k - 1 : k]
        reach = border - SLACK * border.abs()
        if bool((top[:, -1:] >= reach).any()):  # more ties than were looked at: count them
            most = int((logits >= reach).sum(1).max())
            top = logits.topk(most).values.float()
    return top.flip(1)


def _logprobs(candidates: torch.Tensor, true: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Log-probabilities of the tokens with logits `true`, (n, 1), under one decoding that keeps of `candidates`."""
    if decoding.temperature != 1:
        candidates, true = candidates / decoding.temperature, true / decoding.temperature
    border: torch.Tensor | None = None
    if decoding.top_k:
        border = candidates[:, -decoding.top_k :][:, :1]
        candidates = candidates.masked_fill(candidates < border, -torch.inf)
    if decoding.top_p < 1:
        # a token stays while the mass of those above it is under top_p. Of exact ties at this border transformers
        # keeps as many as it takes, and which ones is an accident of its sort: here the number is the same, so that
        # every other probability is exact, and each of the tied has the probability of one that is kept
        below = candidates.softmax(1).cumsum(1) <= 1 - decoding.top_p
        below[:, -1] = False
        border = candidates.masked_fill(below, torch.inf).amin(1, keepdim=True)
        candidates = candidates.masked_fill(below, -torch.inf)
    # by way of the most probable token: a low temperature makes logits so large that their logsumexp is rounded
    logp = true - candidates.amax(1, keepdim=True) + candidates.softmax(1).amax(1, keepdim=True).log()
    return logp if border is None else logp.masked_fill(true < border, -torch.inf)
