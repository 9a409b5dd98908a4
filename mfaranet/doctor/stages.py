"""What the selected stages of params.yaml lack: data, weights, devices, room on the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from mfaranet.data.decoded import decoded_bytes, decoded_folder
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, camvid_original, cityscapes, folder, pascal_context
from mfaranet.datasets.disks import given
from mfaranet.datasets.source import some
from mfaranet.doctor.findings import Finding, refused
from mfaranet.doctor.surroundings import devices
from mfaranet.errors import InputError
from mfaranet.files import user_path
from mfaranet.params import Params
from mfaranet.runs import run_folder
from mfaranet.schema import (
    CamVidData,
    CamVidOriginalData,
    CityscapesData,
    DataSettings,
    FolderData,
    PascalContextData,
    SampleData,
    Settings,
    WeightsFile,
)

_OWN_COPIES = {
    "cityscapes": (cityscapes.VARIABLE, "register at https://www.cityscapes-dataset.com and fetch it by csDownload"),
    "camvid_original": (camvid_original.VARIABLE, "get its two archives, as docs/datasets.md says"),
    "pascal_context": (pascal_context.VARIABLE, "get VOC 2010 and its labels, as docs/datasets.md says"),
}
_PIXELS = {
    "camvid": 701 * 360 * 480,
    "camvid_original": 701 * 720 * 960,
    "cityscapes": 5000 * 1024 * 2048,
    "pascal_context": 10103 * 375 * 500,
}
"""Of all images; those of PASCAL-Context are of about this size."""
_PREPARED, _DECODED = 1.2, 4
"""Bytes a pixel, of PNG files and in memory, with the labels."""
_TRAINING = 3 * 10**8
"""Bytes of the checkpoints and states of one (see docs/scale.md)."""


def lacking(params: Params, dataset: str) -> Iterator[Finding]:
    """What the stages of a selected data set lack."""
    yield _data(params.profile(dataset).data, dataset)
    selected = {name: params.settings(dataset, name) for name in params.run.experiments}
    yield from _weights(params, dataset, selected)
    for name, settings in selected.items():
        if settings.train.released:
            key = f"experiments.{name}.train.released"
            yield _file(f"train@{dataset}-{name}", settings.train.released, key)
    yield from _devices(params, dataset, selected)


def room(params: Params) -> Finding:
    """Whether the disk holds what is still to be made of the selected data sets."""
    needed = {dataset: _bytes_to_come(params, dataset) for dataset in params.run.datasets}
    free = shutil.disk_usage(".").free
    said = f"about {sum(needed.values()) / 2**30:.1f} GiB are still to be written, {free / 2**30:.1f} are free"
    if sum(needed.values()) <= free:
        return Finding("disk", "ok", said)
    largest = max(needed, key=lambda dataset: needed[dataset])
    mend = f"make room, select less, or set profiles.{largest}.data.cache to false"
    return Finding("disk", "missing", said, mend)


def _data(settings: DataSettings, dataset: str) -> Finding:
    about = f"data@{dataset}"
    found = _source(settings, dataset, about)
    if found.state == "missing" and Path("data", dataset, "dataset.json").exists():
        said = f"prepared in {Path('data', dataset)}; only its source is not there: {found.says}"
        return Finding(about, "note", said)
    return found


def _source(settings: DataSettings, dataset: str, about: str) -> Finding:
    try:
        match settings:
            case SampleData():
                return Finding(about, "ok", "drawn by a program")
            case FolderData():
                if problems := folder.find(settings).problems:
                    return Finding(about, "missing", some([str(problem) for problem in problems]), problems[0].mend)
                return Finding(about, "ok", f"{settings.source}")
            case CamVidData():
                path = given(settings.source, camvid.VARIABLE, dataset)
                if path is None:
                    own = f"or give your own in profiles.{dataset}.data.source or ${camvid.VARIABLE}"
                    return Finding(about, "note", f"will be downloaded from {settings.url}", own)
            case CityscapesData() | CamVidOriginalData() | PascalContextData():
                variable, get = _OWN_COPIES[settings.form]
                mend = f"{get}, and give the folder in profiles.{dataset}.data.source or ${variable}"
                path = given(settings.source, variable, dataset)
                if path is None:
                    return Finding(about, "missing", "no source is given", mend)
    except InputError as error:
        return refused(about, error)
    return Finding(about, "ok", f"{path}")


def _weights(params: Params, dataset: str, selected: dict[str, Settings]) -> Iterator[Finding]:
    about = f"weights@{dataset}"
    starts = {name: params.encoder_weights(settings) for name, settings in selected.items()}
    for entry in sorted({entry for entry in starts.values() if entry}):
        wanted = ", ".join(name for name, start in starts.items() if start == entry)
        there = Path("runs", dataset, "weights")
        made = [*there.glob(f"{entry}.safetensors"), *there.glob(f"{entry}-*.safetensors")]
        if made:
            yield Finding(about, "ok", f"{entry}: {made[0]}")
        elif entry not in params.weights:
            said = f"{entry}, from which {wanted} starts, stands not in the section weights"
            yield Finding(about, "missing", said, f"add weights.{entry}")
        else:
            yield _file(about, params.weights[entry], f"weights.{entry}")


def _file(about: str, file: WeightsFile, key: str) -> Finding:
    """Where a weight file is, or comes from."""
    if file.path:
        try:
            path = user_path(file.path, f"{key}.path")
        except InputError as error:
            return refused(about, error)
        if path.is_file():
            return Finding(about, "ok", f"{key}: {path}")
        return Finding(about, "missing", f"{key}: {path} does not exist", f"correct {key}.path")
    if file.url:
        return Finding(about, "note", f"{key}: will be downloaded from {file.url}")
    mend = f"get the file from its authors, as the comment there says, and set {key}.path; or weights: none"
    return Finding(about, "missing", f"{key}: no link is known, and no path is given", mend)


def _devices(params: Params, dataset: str, selected: dict[str, Settings]) -> Iterator[Finding]:
    """The devices that settings name, where torch does not find them."""
    wanted = [(f"train@{dataset}-{name}", settings.train.device) for name, settings in selected.items()]
    wanted += [(f"evaluate@{dataset}-{name}", settings.evaluate.device) for name, settings in selected.items()]
    for name in params.run.measurements:
        wanted.append((f"latency@{dataset}-{name}", params.measurement(dataset, name).device))
    there = {"auto", *devices()}
    for about, device in wanted:
        if device not in there:
            yield Finding(about, "missing", f"its device is {device}, and torch finds none here", "set it to auto")


def _bytes_to_come(params: Params, dataset: str) -> float:
    """About what the stages of a data set still write."""
    settings = params.profile(dataset).data
    root = Path("data", dataset)
    trainings = [name for name in params.run.experiments if not run_folder(dataset, name).exists()]
    total: float = _TRAINING * len(trainings)
    decode = settings.cache and not any(decoded_folder(root).glob("*.bin"))
    try:
        record = DatasetRecord.load(root)
        return total + decode * sum(decoded_bytes(record, split) for split in record.labelled)
    except InputError:  # it is not prepared yet
        pass
    if isinstance(settings, SampleData):
        pixels = (settings.train + settings.val + settings.test) * settings.size[0] * settings.size[1]
    elif isinstance(settings, FolderData):
        return total + sum(path.stat().st_size for path in settings.source.expanduser().rglob("*") if path.is_file())
    else:
        pixels = _PIXELS[settings.form]
    return total + pixels * (_PREPARED + decode * _DECODED)
