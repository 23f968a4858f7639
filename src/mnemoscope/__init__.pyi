from .config import Canaries, Columns, Compute, Measurement, Training
from .errors import ConfigError, DataError, MnemoscopeError, ModelError, RunError, UserError
from .pipeline import audit, canaries, demo, finetune, report, study
from .registry import attack
from .results import Adapter, Audit, StudyResult

__all__ = [
    "Adapter",
    "Audit",
    "Canaries",
    "Columns",
    "Compute",
    "ConfigError",
    "DataError",
    "Measurement",
    "MnemoscopeError",
    "ModelError",
    "RunError",
    "StudyResult",
    "Training",
    "UserError",
    "attack",
    "audit",
    "canaries",
    "demo",
    "finetune",
    "report",
    "study",
]
