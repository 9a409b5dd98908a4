"""From what a user has of a data set to the prepared form."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, camvid_original, cityscapes, folder, pascal_context
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.sample import draw_sample
from mfaranet.datasets.source import Source, slashed
from mfaranet.files import atomic_folder
from mfaranet.schema import (
    CamVidData,
    CamVidOriginalData,
    CityscapesData,
    DataSettings,
    FolderData,
    PascalContextData,
    SampleData,
)


def prepare(name: str, settings: DataSettings, output: Path) -> DatasetRecord:
    """Bring a data set into the prepared form (see mfaranet.data.prepared) as the folder ``output``.

    ``output`` is replaced only by a complete new one; after a failure it is as it was before.

    Raises:
        InputError: the source cannot be had, or is not whole and right to the last pixel; it names every problem.
    """
    with atomic_folder(output) as made, TemporaryDirectory(dir=made) as scratch:
        return write_prepared(name, _find(settings, made, Path(scratch)), made)


def _find(settings: DataSettings, made: Path, scratch: Path) -> Source:
    match settings:
        case SampleData():
            # The drawn tree stays: the official Cityscapes evaluation can be run on it.
            return _draw(settings, made / "cityscapes")
        case CamVidData():
            return camvid.find(settings, scratch)
        case CamVidOriginalData():
            return camvid_original.find(settings, scratch)
        case CityscapesData():
            return cityscapes.find(settings, scratch)
        case PascalContextData():
            return pascal_context.find(settings, scratch)
        case FolderData():
            return folder.find(settings)


def _draw(settings: SampleData, tree: Path) -> Source:
    counts = {"train": settings.train, "val": settings.val, "test": settings.test}
    draw_sample(tree, size=settings.size, counts=counts, seed=settings.seed)
    height, width = settings.size
    title = f"drawn sample {slashed(counts)} at {height}x{width}"
    parts = {part: tree / part for part in cityscapes.SUFFIXES}
    return cityscapes.read(parts, tree, cityscapes.Layout(title, False, settings.size, counts))
