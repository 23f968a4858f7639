from .context import shots_of, trace_after
from .endpoint import Endpoint, judge_endpoint, parse_judge
from .finetune import Recipe, finetune, micro_batches, total_steps, warmup
from .forward import Plan, plan_batches, trace, trace_pair
from .generate import generate
from .gradients import gradient_norms
from .judge import judge_local
from .load import LanguageModel, accelerator, at_most_threads, open_model
from .lora import (
    adapter_facts,
    adapter_hash,
    add_lora,
    attach,
    detach,
    trainable_parameters,
    without_adapter,
)
from .perplexing import perplexing_texts
from .quantised import check_loading
from .question import Verdict
from .tiny import write_tiny
from .tokens import Tokens, decode, rows_of, tokenize
from .traps import generation_traps
from .weights import BUILTIN, locate

__all__ = [
    "BUILTIN",
    "Endpoint",
    "LanguageModel",
    "Plan",
    "Recipe",
    "Tokens",
    "Verdict",
    "accelerator",
    "adapter_facts",
    "adapter_hash",
    "add_lora",
    "at_most_threads",
    "attach",
    "check_loading",
    "decode",
    "detach",
    "finetune",
    "generate",
    "generation_traps",
    "gradient_norms",
    "judge_endpoint",
    "judge_local",
    "locate",
    "micro_batches",
    "open_model",
    "parse_judge",
    "perplexing_texts",
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
