"""Tables for LaTeX: booktabs, every special character escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SPECIAL: Mapping[str, str] = {
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "–": "--", "²": r"$^2$", "’": "'",
}  # fmt: skip
_TABLE = str.maketrans(dict(_SPECIAL))


def escaped(text: str) -> str:
    r"""`text` as LaTeX prints it; line ends and other control characters become spaces.

    >>> escaped("50% of a_b & c")
    '50\\% of a\\_b \\& c'
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable.translate(_TABLE)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str, columns: str = "") -> str:
    """A floating table; texts are escaped here, so they are to be given as they read."""
    layout = columns or "l" + "r" * (len(heads) - 1)
    body = "\n".join(f"    {_line(row)}" for row in rows)
    return (
        "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}; scripts beyond Latin need LuaLaTeX or XeLaTeX\n"
        "\\begin{table}\n  \\centering\n"
        f"  \\caption{{{escaped(caption)}}}\n  \\label{{{label}}}\n"
        f"  \\begin{{tabular}}{{{layout}}}\n    \\toprule\n    {_line(heads)}\n    \\midrule\n"
        f"{body}\n    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n"
    )


def _line(texts: Sequence[str]) -> str:
    return " & ".join(map(escaped, texts)) + r" \\"
