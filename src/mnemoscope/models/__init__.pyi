from .context import shots_of, trace_after
from .finetune import Recipe, finetune, micro_batches, total_steps, warmup
from .forward import Plan, plan_batches, trace, trace_pair
from .generate import greedy
from .gradients import gradient_norms
from .load import LanguageModel, open_model
from .lora import (
    MATRICES,
    adapter_facts,
    adapter_hash,
    add_lora,
    attach,
    detach,
    parse_matrices,
    trainable_parameters,
    without_adapter,
)
from .tiny import write_tiny
from .tokens import Tokens, decode, rows_of, tokenize
from .weights import BUILTIN

__all__ = [
    "BUILTIN",
    "MATRICES",
    "LanguageModel",
    "Plan",
    "Recipe",
    "Tokens",
    "adapter_facts",
    "adapter_hash",
    "add_lora",
    "attach",
    "decode",
    "detach",
    "finetune",
    "gradient_norms",
    "greedy",
    "micro_batches",
    "open_model",
    "parse_matrices",
    "plan_batches",
    "rows_of",
    "shots_of",
    "tokenize",
    "total_steps",
    "trace",
    "trace_after",
    "trace_pair",
    "trainable_parameters",
    "warmup",
    "without_adapter",
    "write_tiny",
]
