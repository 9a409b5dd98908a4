"""The paper's training recipe, as the official code has it: SGD with two learning rates, poly schedule, joint loss."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from dvclive.live import Live
from lightning_fabric import Fabric, seed_everything
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import PolynomialLR
from torch.utils.data import ConcatDataset, DataLoader
from tqdm import tqdm

from mfaranet import checkpoints
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import Augmentation, normalise
from mfaranet.errors import InputError
from mfaranet.inference import PROTOCOLS, InputSizes, predict_split
from mfaranet.losses import Loss
from mfaranet.metrics import confusion_matrix, intersection_over_union
from mfaranet.settings import TrainSettings


def train(
    model: nn.Module,
    settings: TrainSettings,
    data: Path,
    *,
    output: Path,
    curves: Path,
    facts: Mapping[str, Any],
) -> None:
    """Train a network on a prepared data set, on all devices that Lightning Fabric finds.

    Writes ``best.safetensors`` (by mIoU on the validation split) and ``last.safetensors`` to ``output``, and the
    curves, a point an epoch, to ``curves`` in DVCLive's form.

    Args:
        model: network in its initial state.
        settings: the recipe. ``batch_size`` is over all devices together.
        data: folder of the prepared data set.
        output: folder of the checkpoints.
        curves: folder of the curves.
        facts: what checkpoints.load_trained needs (``network``, ``options``, ``classes``) and whatever else to store.

    Raises:
        InputError: the data set is smaller than a batch, an image is damaged, or the loss is no longer a number.
    """
    fabric = Fabric(precision=settings.precision)
    fabric.launch()
    seed_everything(settings.seed, workers=True, verbose=False)
    if fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    loader = fabric.setup_dataloaders(_loader(settings, data, fabric.world_size))
    iterations = settings.epochs * len(loader)
    optimizer = make_optimizer(
        model, settings.base_lr, settings.decoder_lr_factor, settings.momentum, settings.weight_decay
    )
    schedule = make_schedule(optimizer, iterations, settings.poly_power)
    network, optimizer = fabric.setup(model, optimizer)
    criterion = Loss(**settings.loss.model_dump())
    validation = SegmentationDataset(data, "val")

    best = -1.0
    with _live(curves, fabric) as live, tqdm(total=iterations, disable=not fabric.is_global_zero, desc="train") as bar:
        for epoch in range(1, settings.epochs + 1):
            rate = optimizer.param_groups[0]["lr"]
            terms = _train_epoch(network, loader, criterion, optimizer, schedule, fabric, bar)
            _refuse_nan(terms, epoch, output)
            for name, value in terms.items():
                live.log_metric(f"train/{name}", value, plot=True)
            live.log_metric("learning_rate", rate)
            if epoch % settings.validate_every == 0 or epoch == settings.epochs:
                miou = validate(model, validation, settings.input_size, fabric)
                live.log_metric("val/miou", miou)
                stored = {**facts, "epoch": epoch, "val_miou": miou}
                if fabric.is_global_zero:
                    checkpoints.save(model, output / "last.safetensors", stored)
                    if miou > best:
                        checkpoints.save(model, output / "best.safetensors", stored)
                best = max(best, miou)
            live.next_step()  # type: ignore[no-untyped-call]


def make_optimizer(
    model: nn.Module, base_lr: float, decoder_lr_factor: float, momentum: float, weight_decay: float
) -> SGD:
    """SGD with weight decay on everything; what is not the backbone learns ``decoder_lr_factor`` times faster."""
    backbone = [p for name, p in model.named_parameters() if name.startswith("backbone.")]
    decoder = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    groups = [{"params": backbone, "lr": base_lr}, {"params": decoder, "lr": base_lr * decoder_lr_factor}]
    return SGD(groups, lr=base_lr, momentum=momentum, weight_decay=weight_decay)


def make_schedule(optimizer: Optimizer, iterations: int, power: float) -> PolynomialLR:
    """Poly schedule, stepped after each iteration: lr * (1 - i / iterations) ** power in iteration i, from 0."""
    return PolynomialLR(optimizer, iterations, power)


def validate(model: nn.Module, dataset: SegmentationDataset, size: tuple[int, int], fabric: Fabric) -> float:
    """mIoU (0..1) on whole images at ``size``, each process taking its share of the images."""
    classes = len(dataset.record.classes)
    confusion = torch.zeros(classes, classes, dtype=torch.int64, device=fabric.device)
    share = range(fabric.global_rank, len(dataset), fabric.world_size)
    sizes = InputSizes(size, window=size, base_size=max(size))
    for _, prediction, label in predict_split(model, dataset, PROTOCOLS["full_image"], sizes, share):
        confusion += confusion_matrix(prediction, label, classes)
    total = _reduce(fabric, confusion, "sum")
    return float(intersection_over_union(total).nanmean())


def _train_epoch(
    network: nn.Module,
    loader: Any,
    criterion: Loss,
    optimizer: Optimizer,
    schedule: PolynomialLR,
    fabric: Fabric,
    bar: "tqdm[Any]",
) -> dict[str, float]:
    """Mean of each loss term over the epoch. The terms stay on the device until it ends."""
    network.train()
    sums: dict[str, Tensor] = {}
    for images, labels in loader:
        terms = criterion(network(normalise(images)), labels.long())
        optimizer.zero_grad()
        fabric.backward(terms["total"])
        optimizer.step()
        schedule.step()
        for name, value in terms.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach()
        bar.update()
    means = {name: float(_reduce(fabric, value / len(loader), "mean")) for name, value in sums.items()}
    bar.set_postfix(loss=f"{means['total']:.3f}")
    return means


def _loader(settings: TrainSettings, data: Path, world_size: int) -> "DataLoader[Any]":
    augmentation = Augmentation(settings.input_size, settings.crop_size, settings.augmentation)
    splits = ("train", "val") if settings.split == "trainval" else ("train",)
    dataset: ConcatDataset[tuple[Tensor, Tensor]] = ConcatDataset(
        [SegmentationDataset(data, split, augmentation) for split in splits]
    )
    batch_size, rest = divmod(settings.batch_size, world_size)
    if rest or batch_size < 1:
        raise InputError(
            f"params.yaml: train.batch_size: {settings.batch_size} images do not divide among {world_size} processes"
        )
    if len(dataset) < settings.batch_size:
        raise InputError(
            f"params.yaml: train.batch_size: {settings.batch_size} is more than the {len(dataset)} images of {data}"
        )
    return DataLoader(
        dataset,
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _refuse_nan(terms: Mapping[str, float], epoch: int, output: Path) -> None:
    bad = [name for name, value in terms.items() if not math.isfinite(value)]
    if bad:
        raise InputError(
            f"training: the loss is no longer a number in epoch {epoch} ({', '.join(bad)}); "
            f"lower train.base_lr in params.yaml or look at the labels. Checkpoints in {output} are of an epoch before."
        )


def _reduce(fabric: Fabric, value: Tensor, operation: str) -> Tensor:
    reduced = fabric.all_reduce(value, reduce_op=operation)
    assert isinstance(reduced, Tensor)
    return reduced


@contextmanager
def _live(curves: Path, fabric: Fabric) -> Iterator[Live]:
    # DVC runs the stage and versions the files, so DVCLive only writes them; the other processes' are thrown away.
    with TemporaryDirectory() as scratch:
        folder = curves if fabric.is_global_zero else scratch
        with Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:
            yield live
