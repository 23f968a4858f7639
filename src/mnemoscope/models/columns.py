"""From the hidden states that predict tokens to the columns of a trace, a few tokens at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from mnemoscope.decoding import Decoding
from mnemoscope.models.load import body_and_head
from mnemoscope.models.warping import warped
from mnemoscope.traces import COLUMNS

if TYPE_CHECKING:
    from mnemoscope.models.load import LanguageModel

HEAD_ROWS = (256, 2048)
"""Tokens whose logits are held at once on a CPU and on a GPU: enough for the output layer's product to be efficient."""

VOCABULARY = 1024
"""Logits a token that a CPU works out at once: their weights stay in its cache while all HEAD_ROWS go by. With the
whole vocabulary at once the output layer took up to 1.7 times as long."""

ROWS = 1024
"""Tokens that a GPU reduces at once: they keep it busy longer than it takes to hand it the next sweep, and each sweep
then holds 200 MB for a 50k vocabulary."""

CACHED = 200_000
"""Logits that a core reduces at once, 4 tokens of a 50k vocabulary: a dozen sweeps go over them, and they stay in its
own cache. With 24 tokens a core took three times as long."""


def columns_of(
    lm: LanguageModel, hidden: torch.Tensor, truth: torch.Tensor, decodings: Sequence[Decoding] = ()
) -> dict[str, NDArray[np.generic]]:
    """Columns of N tokens from the hidden states that predict them (N, D) and the true ids (N,)."""
    _, head = body_and_head(lm.model)
    changed = [decoding for decoding in decodings if decoding != Decoding()]
    held = HEAD_ROWS[hidden.device.type == "cuda"]
    logits_of = _in_blocks(head, hidden, held)
    chunks = [
        # the decodings first: the reduction works in place where the logits are float32
        torch.cat([warped(logits, true, changed), _reduce(logits, true)], dim=1)
        for some, labels in zip(torch.split(hidden, held), torch.split(truth, held), strict=True)
        for logits, true in few(logits_of(some), labels)
    ]
    stacked = torch.cat(chunks).double().cpu().numpy()  # float64 holds ranks and float32 exactly
    reduced = ("logprob", "gap", "gap_ulp", "rank", "mean_logprob", "std_logprob")
    names = (*(decoding.column for decoding in changed), *reduced)
    found = {name: stacked[:, i].astype(COLUMNS.get(name, np.float32)) for i, name in enumerate(names)}
    if len(changed) < len(decodings):  # plain sampling is what the trace speaks of already
        found[Decoding().column] = found["logprob"]
    return {"token_id": truth.cpu().numpy(), **found}


def _in_blocks(head: Any, hidden: torch.Tensor, held: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The output layer; on a CPU by blocks of the vocabulary, into one buffer that the next call writes over."""
    plain = type(head) is torch.nn.Linear and head.bias is None
    if not plain or hidden.device.type != "cpu" or hidden.dtype != torch.float32:
        return cast("Callable[[torch.Tensor], torch.Tensor]", head)
    weights, buffer = torch.split(head.weight, VOCABULARY), hidden.new_empty(min(held, len(hidden)), head.out_features)

    def logits_of(some: torch.Tensor) -> torch.Tensor:
        logits = buffer[: len(some)]
        for some_weights, block in zip(weights, torch.split(logits, VOCABULARY, dim=1), strict=True):
            torch.mm(some, some_weights.t(), out=block)
        return logits

    return logits_of


def few(logits: torch.Tensor, truth: torch.Tensor) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """The logits and true ids of a few tokens at a time: of as many as are reduced at once."""
    rows = ROWS if logits.is_cuda else max(1, CACHED // logits.shape[1]) * torch.get_num_threads()
    return zip(torch.split(logits, rows), torch.split(truth, rows), strict=True)


def _reduce(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Six numbers a token from logits (n, V) in the model's dtype; all arithmetic in float32. Shape (n, 6).

    Written for a CPU's cache: every line is one sweep over a few rows, and the sweeps are those of a softmax.
    """
    eps = torch.finfo(logits.dtype).eps
    x = logits.float()
    truth = truth[:, None]
    true = x.gather(1, truth)
    rank = x.clone().gt_(true).sum(1, keepdim=True) + 1
    x.scatter_(1, truth, -torch.inf)
    best_other = x.amax(1, keepdim=True)
    x.scatter_(1, truth, true)
    top = torch.maximum(best_other, true)
    p = x.softmax(1)
    logsumexp = top - p.amax(1, keepdim=True).log()  # the largest p is exp(0) / sum, so its log is exact
    logp = x.sub_(logsumexp)
    mean = (p * logp).sum(1, keepdim=True)
    std = p.mul_(logp.sub_(mean).square_()).sum(1, keepdim=True).sqrt_()  # two passes: no difference of squares
    gap = true - best_other
    ulp = eps * torch.exp2(torch.frexp(top)[1] - 1.0)
    return torch.cat([true - logsumexp, gap, gap / ulp, rank, mean, std], dim=1)
