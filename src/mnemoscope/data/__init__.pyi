from .agreement import reconcile
from .blind import blind_ngrams, blind_words
from .canaries import Planting, plant
from .canary_file import CanaryManifest, read_canaries, write_canaries, write_private
from .canary_texts import Canary, make_canaries
from .coins import coin_flip
from .columns import Columns
from .description import describe
from .duplicates import near_duplicates
from .neighbours import neighbours, unchangeable
from .overlap import overlap
from .planted_file import set_apart, training_texts, with_canaries
from .reading import read
from .redraw import redraw
from .sampling import sample
from .synthetic import notes

__all__ = [
    "Canary",
    "CanaryManifest",
    "Columns",
    "Planting",
    "blind_ngrams",
    "blind_words",
    "coin_flip",
    "describe",
    "make_canaries",
    "near_duplicates",
    "neighbours",
    "notes",
    "overlap",
    "plant",
    "read",
    "read_canaries",
    "reconcile",
    "redraw",
    "sample",
    "set_apart",
    "training_texts",
    "unchangeable",
    "with_canaries",
    "write_canaries",
    "write_private",
]
