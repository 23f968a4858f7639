from .config import Canaries, Columns, Compute, Measurement, Training
from .errors import ConfigError, DataError, MnemoscopeError, ModelError, RunError, UserError
from .pipeline import audit, canaries, compare, demo, finetune, report, study
from .registry import attack
from .results import Adapter, Audit, Compared, StudyResult

__all__ = [
    "Adapter",
    "Audit",
    "Canaries",
    "Columns",
    "Compared",
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
    "compare",
    "demo",
    "finetune",
    "report",
    "study",
]
