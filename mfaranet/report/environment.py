"""The templates of all pages, and the files that stand in them as they are."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def templates() -> Environment:
    """All that is put into a page is escaped, but what says that it is markup."""
    made = Environment(
        loader=PackageLoader("mfaranet.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["script"] = _script
    made.globals["style"] = Markup(asset("report.css"))  # noqa: S704
    return made


def asset(name: str) -> str:
    """The text of a file of this folder."""
    return files("mfaranet.report").joinpath(name).read_text(encoding="utf-8")


def _script(code: str) -> Markup:
    """Code as it may stand in an element ``script``, which ends where its own end tag is written."""
    return Markup(code.replace("</script", "<\\/script").replace("<!--", "<\\!--"))  # noqa: S704
