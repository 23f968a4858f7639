from .agreement import reconcile
from .canaries import Planting, plant
from .columns import Columns
from .description import describe
from .reading import read
from .synthetic import notes

__all__ = ["Columns", "Planting", "describe", "notes", "plant", "read", "reconcile"]
