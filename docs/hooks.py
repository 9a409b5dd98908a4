"""What mkdocs reads: README.md, the pages of docs/, and every file of the repository that these link to.

Each has the path that it has in the repository, so links stay as they are written.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")
"""To a file: without a scheme."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs with what lies in docs/ and in the theme."""
    for file in list(files.documentation_pages()) + list(files.media_files()):
        if Path(file.abs_src_path).is_relative_to(config.docs_dir):
            files.remove(file)
    root = Path(config.config_file_path).parent
    docs = sorted(path for path in Path(config.docs_dir).iterdir() if path.suffix in (".md", ".js"))
    for path in _reached(root, ["README.md", *(path.relative_to(root).as_posix() for path in docs)]):
        files.append(File.generated(config, path, abs_src_path=str(root / path)))
    return files


def _reached(root: Path, paths: list[str]) -> Iterator[str]:
    """The paths, and what is linked from them; of folders none, as a site has no page for one."""
    seen = set[str]()
    while paths:
        path = paths.pop()
        if path in seen or not (root / path).is_file():
            continue
        seen.add(path)
        yield path
        if path.endswith(".md"):
            folder = Path(path).parent
            paths += [normpath((folder / link).as_posix()) for link in LINK.findall((root / path).read_text())]
