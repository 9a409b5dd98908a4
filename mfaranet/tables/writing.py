"""A page with one table, as Markdown and as LaTeX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import tabulate

tabulate.MIN_PADDING = 0  # Otherwise a header makes its column two wider than it is.
NOT_COMPARABLE = "not comparable"
"""A verdict, before a colon and its reason."""


@dataclass(frozen=True)
class Page:
    """What people read of a table, all of it text (see Table.page)."""

    title: str
    above: str
    """A paragraph, or nothing."""
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]
    """Whether a column stands at the right, as numbers do."""
    footnotes: Sequence[str]
    """What explains cells and headers."""
    notes: Sequence[str]
    """What else stands below."""

    def markdown(self) -> str:
        """The page in Markdown, with a table of pipes."""
        sides = ["right" if each else "left" for each in self.right]
        table = tabulate.tabulate(self.rows, self.headers, "pipe", disable_numparse=True, colalign=sides)
        notes = "\n".join(f"- {note}" for note in [*self.footnotes, *self.notes])
        return "\n\n".join(filter(None, [f"# {self.title}", self.above, table, notes])) + "\n"

    def latex(self) -> str:
        """The page in LaTeX, as wide as a column: it needs the packages booktabs and graphicx, and longtable where the
        rows take more than a page."""
        sides = "".join("r" if each else "l" for each in self.right)
        heading, *rows = (" & ".join(map(_escape, row)) + r" \\" for row in (self.headers, *self.rows))
        top, bottom = ["\\toprule", heading, "\\midrule"], [*rows, "\\bottomrule"]
        caption = f"\\caption{{{_escape(self.title)}}}"
        above = _paragraph(self.above) if self.above else ""
        footnotes, notes = ("".join(map(_paragraph, each)) for each in (self.footnotes, self.notes))
        small = "\\setlength{\\tabcolsep}{3pt}\\sloppy"
        if len(rows) > _PAGE:
            # The heading stands again on each page.
            lines = [f"{caption} \\\\", *top, "\\endfirsthead", *top, "\\endhead", *bottom]
            body = "\n".join([f"\\begin{{longtable}}{{{sides}}}", *lines, "\\end{longtable}"])
            return f"{{\\scriptsize{small}\n{body}\n{above}{footnotes}{notes}}}\n"
        body = "\n".join([f"\\begin{{tabular}}{{{sides}}}", *top, *bottom, "\\end{tabular}"])
        # A wide table shrinks to the line, a narrow one keeps its size. Notes may take more than the page that floats.
        return (
            f"\\begin{{table}}\n{caption}\n\\footnotesize{small}\n{above}\\smallskip\n"
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
            f"{body}\n}}\\par\n\\smallskip\n{footnotes}\\end{{table}}\n{{\\footnotesize\\sloppy\n{notes}}}\n"
        )


class Footnotes:
    """The reasons of short verdicts, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def shorten(self, text: str) -> str:
        """A verdict without its reason, but with the number of the footnote that has it; other texts as they are."""
        verdict, reason = text[: len(NOT_COMPARABLE)], text[len(NOT_COMPARABLE) :].removeprefix(": ")
        if verdict != NOT_COMPARABLE or not reason:
            return text
        number = self._numbers.setdefault(reason, str(len(self._numbers) + 1).translate(_SUPERSCRIPTS))
        return f"{verdict}{number}"

    def notes(self) -> list[str]:
        """What the numbers mean."""
        return [f"{number} {reason}." for reason, number in self._numbers.items()]


_PAGE = 45
"""Rows that fit on one."""
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPTS = str.maketrans("0123456789", _RAISED)
_LATEX = str.maketrans(
    {
        **{symbol: f"\\{symbol}" for symbol in "&%$#_{}"},
        **{symbol: f"\\textsuperscript{{{digit}}}" for digit, symbol in enumerate(_RAISED)},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


def _escape(text: str) -> str:
    return text.translate(_LATEX)


def _paragraph(text: str) -> str:
    """Lines may break within its addresses and names too."""
    return re.sub(r"(/|\\_)", r"\1\\allowbreak{}", _escape(text)) + "\\par\n"
