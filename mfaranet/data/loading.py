"""Which images a training sees, in which order, and how they are augmented.

All chance of an epoch is a function of the seed, the epoch and, for the augmentation, the image. So the images are
the same with any number of processes and loader workers, and in a training that goes on after a stop.
"""

import copy
import hashlib
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, DistributedSampler

from mfaranet.data.boundaries import boundary_target
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import Augmentation
from mfaranet.errors import InputError
from mfaranet.measure.machine import choose_device
from mfaranet.schema import TrainSettings


def derived_seed(*key: str | int) -> int:
    """A seed in 0..2^63-1; close keys, such as epochs in a row, have unrelated seeds."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big") >> 1


class EpochSampler(DistributedSampler[Any]):
    """Pairs of epoch and index, so that a loader worker, which outlives an epoch, knows the epoch of an image.

    Of the order of an epoch, each process takes every n-th image: a batch over all n processes is a stretch of it,
    whatever their number.
    """

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, index) for index in super().__iter__())


class TrainingImages(Dataset[tuple[Tensor, ...]]):
    """Images (3, h, w), float32 in 0..255, and labels (h, w), uint8, of the crop's size, by epoch and index.

    Where the loss is of boundaries too, their target (1, h, w), bool, is a third: here it is made beside the training.

    Raises:
        InputError: see SegmentationDataset.
    """

    def __init__(self, settings: TrainSettings, data: Path) -> None:
        augmentation = Augmentation(settings.input_size, settings.crop_size, settings.augmentation)
        splits = ("train", "val") if settings.split == "trainval" else ("train",)
        self.seed = settings.seed
        self.boundaries = settings.loss.of_boundaries
        parts = {split: SegmentationDataset(data, split, augmentation) for split in splits}
        self.images: ConcatDataset[tuple[Tensor, Tensor]] = ConcatDataset(parts.values())
        self.names = [f"{split}/{stem}" for split, part in parts.items() for stem in part.stems]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        epoch, index = key
        random.seed(derived_seed("augmentation", self.seed, epoch, index))
        image, label = self.images[index]
        return (image, label, boundary_target(label[None])[0]) if self.boundaries else (image, label)


def training_loader(settings: TrainSettings, data: Path, rank: int, processes: int) -> "DataLoader[Any]":
    """Batches of process ``rank``: its share of ``settings.batch_size`` images. The sampler is an EpochSampler.

    Raises:
        InputError: the batch does not divide into equal parts, or the data set is smaller than a batch.
    """
    share, rest = divmod(settings.batch_size, processes * settings.accumulate)
    if rest or share * processes < 2:
        raise InputError(
            f"params.yaml: train.batch_size, train.accumulate: {settings.batch_size} images do not divide among "
            f"{processes} processes that each take {settings.accumulate} equal parts, two images or more at once in all"
        )
    images = TrainingImages(settings, data)
    if len(images) < settings.batch_size:
        raise InputError(
            f"params.yaml: train.batch_size: {settings.batch_size} is more than the {len(images)} images of {data}"
        )
    return DataLoader(
        images,
        share * settings.accumulate,
        sampler=EpochSampler(images, processes, rank, seed=derived_seed("order", settings.seed), drop_last=True),
        drop_last=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        pin_memory=choose_device(settings.device, "train.device").type == "cuda",
        worker_init_fn=_leave_signals_to_the_parent,
        # Its own, as the loader draws from it: with the global one, dropout would depend on the loader.
        generator=torch.Generator(),
    )


def batch_images(loader: "DataLoader[Any]", epoch: int, step: int, rank: int) -> list[str]:
    """The images (``<split>/<stem>``) that process ``rank`` takes in a step (from 0) of an epoch of such a loader."""
    images, sampler = loader.dataset, copy.copy(loader.sampler)
    assert isinstance(images, TrainingImages)
    assert isinstance(sampler, EpochSampler)
    assert loader.batch_size is not None
    sampler.rank = rank
    sampler.set_epoch(epoch)
    order = [index for _, index in sampler]
    return [images.names[index] for index in order[step * loader.batch_size :][: loader.batch_size]]


def _leave_signals_to_the_parent(worker: int) -> None:
    # A worker is forked with the handlers of the training, and Ctrl-C reaches every process of the terminal.
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
