"""What a user wants segmented: files, folders, globs; and where each result goes, so that no two names meet."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mfaranet.datasets.disks import is_visible
from mfaranet.errors import InputError

_PICTURES = "png jpg jpeg jpe jfif mpo webp avif tif tiff jp2 j2k bmp gif ppm pgm pbm pnm"
_VIDEOS = "mp4 m4v mov mkv avi webm mpg mpeg"
_PICTURE_ENDINGS = tuple(f".{ending}" for ending in _PICTURES.split())
_VIDEO_ENDINGS = tuple(f".{ending}" for ending in _VIDEOS.split())


@dataclass(frozen=True)
class Input:
    """A picture or a video."""

    path: Path
    place: Path
    """Relative: where its results go in the folder of the output, but for the ending of what is written."""

    @property
    def is_video(self) -> bool:
        """By its name."""
        return is_video(self.path)


def is_video(path: Path) -> bool:
    """Whether the name of a file is a video's."""
    return path.name.lower().endswith(_VIDEO_ENDINGS)


def find_inputs(sources: Iterable[Path], output: Path, reserved: Sequence[str] = ()) -> list[Input]:
    """The files that users name, each once, with a place of its own below the folder that all have in common.

    A folder stands for the pictures and videos in it and below it, known by their endings, without hidden ones and
    without what lies in ``output`` where that is below it; a pattern for those that it matches (``**`` for any
    folders). A file that is named itself may be called as it likes. Places are without the ending, unless another place
    or one of the ``reserved`` names is the same then, also where case does not count.

    Raises:
        InputError: there is no such file or folder, no picture in one, or nothing that a pattern matches; or names of
            results differ in case alone.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # as it was named, and the folder by which it was
    for source in sources:
        for path, root in _expand(source, _absolute(output)):
            found.setdefault(_absolute(path), (path, _absolute(root)))
    common = Path(os.path.commonpath([root for _, root in found.values()]))
    places = _places({path: each.relative_to(common) for each, (path, _) in found.items()}, reserved)
    return [Input(path, place) for path, place in places.items()]


def _places(full: Mapping[Path, Path], reserved: Sequence[str]) -> dict[Path, Path]:
    """Of each file that place among ``full`` without its ending, where no other is called so, else with it."""
    bare = {path: place.with_suffix("") for path, place in full.items()}
    taken = Counter([*map(_folded, full.values()), *map(_folded, bare.values()), *map(str.casefold, reserved)])
    places = {path: full[path] if taken[_folded(bare[path])] > 1 else bare[path] for path in full}
    met = Counter([*map(_folded, places.values()), *map(str.casefold, reserved)])
    if twice := [str(path) for path, place in places.items() if met[_folded(place)] > 1]:
        raise InputError(f"{' and '.join(twice)}: results would have one name; rename a file, or segment it alone")
    return places


def _expand(source: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """Each file that a source stands for, and the folder that it was named by."""
    if source.is_dir():
        yield from _within(source, source, output)
    elif source.exists():
        yield source, source.parent
    elif glob.has_magic(str(source)):
        parts = source.parts
        root = Path(*parts[: next(place for place, part in enumerate(parts) if glob.has_magic(part))])
        matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]
        found = [path for path in matches if _wanted(path, root, output)]
        if not found:
            raise InputError(f"no picture or video matches {source}")
        yield from ((path, root) for path in found)
    else:
        raise InputError(f"{source} does not exist")


def _within(folder: Path, root: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    found = [path for path in sorted(folder.rglob("*")) if _wanted(path, root, output)]
    if not found:
        raise InputError(f"{folder} holds no pictures ({_PICTURES}) or videos ({_VIDEOS})")
    yield from ((path, root) for path in found)


def _wanted(path: Path, root: Path, output: Path) -> bool:
    own = output in _absolute(path).parents and _absolute(root) in output.parents
    known = path.name.lower().endswith((*_PICTURE_ENDINGS, *_VIDEO_ENDINGS))
    visible = is_visible(path.relative_to(root))
    return known and visible and path.is_file() and not own


def _absolute(path: Path) -> Path:
    """Without dots, but with the links that were named."""
    return Path(os.path.abspath(path))


def _folded(place: Path) -> str:
    return str(place).casefold()
