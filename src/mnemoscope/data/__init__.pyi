from .agreement import reconcile
from .blind import blind_ngrams, blind_words
from .canaries import Planting, plant
from .columns import Columns
from .description import describe
from .duplicates import near_duplicates
from .neighbours import neighbours, unchangeable
from .overlap import overlap
from .reading import read
from .sampling import sample
from .synthetic import notes

__all__ = [
    "Columns",
    "Planting",
    "blind_ngrams",
    "blind_words",
    "describe",
    "near_duplicates",
    "neighbours",
    "notes",
    "overlap",
    "plant",
    "read",
    "reconcile",
    "sample",
    "unchangeable",
]
