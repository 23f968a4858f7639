from .config import Columns, Compute, Measurement, Training
from .errors import ConfigError, DataError, MnemoscopeError, ModelError, RunError, UserError
from .pipeline import audit, demo, finetune, report
from .registry import attack
from .results import Adapter, Audit

__all__ = [
    "Adapter",
    "Audit",
    "Columns",
    "Compute",
    "ConfigError",
    "DataError",
    "Measurement",
    "MnemoscopeError",
    "ModelError",
    "RunError",
    "Training",
    "UserError",
    "attack",
    "audit",
    "demo",
    "finetune",
    "report",
]
