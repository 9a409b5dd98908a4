"""The training loop: a recipe of params.yaml on a prepared data set, with validation, curves and resuming."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from dvclive.live import Live
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from mfaranet.data.loading import EpochSampler, derived_seed, training_loader
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.data.transforms import normalise
from mfaranet.errors import InputError
from mfaranet.evaluation.background import in_background
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, NonFiniteError, predict_split
from mfaranet.evaluation.metrics import confusion_matrix, intersection_over_union
from mfaranet.measure.machine import allow_tf32, choose_device, memory_format
from mfaranet.models.convolution import quick_convolutions
from mfaranet.models.layers import Outputs
from mfaranet.schema import TrainSettings
from mfaranet.sizes import InputSize
from mfaranet.training.distributed import launched, make_fabric, process_facts, share_buffers
from mfaranet.training.losses import Loss, class_weights
from mfaranet.training.nonfinite import FirstNonFinite
from mfaranet.training.optimization import make_optimizer, make_schedule
from mfaranet.training.resume import Progress, Resume, stop_on_signals
from mfaranet.training.times import Stopwatch, advice, write_times
from mfaranet.weights import checkpoints


def train(
    model: nn.Module,
    settings: TrainSettings,
    data: Path,
    *,
    output: Path,
    curves: Path,
    facts: Mapping[str, Any],
    times: Path | None = None,
    resume: Resume | None = None,
) -> dict[str, Any] | None:
    """Train a network on a prepared data set, on all devices that the environment names (see make_fabric).

    Writes ``best.safetensors`` (by mIoU on the validation split) and ``last.safetensors`` to ``output``, and the
    curves, a point an epoch, to ``curves`` in DVCLive's form. Says once, after an epoch, when it waits for the loader.

    A batch is split into ``processes * accumulate`` equal parts, each with a loss of its own as on a device of the
    official code; the gradient is their mean. That is the gradient of the whole batch for a mean over pixels, none of
    them ignored. What looks at a batch as a whole looks at a part: OHEM, class and boundary weights, the sums over
    images of the image-balanced losses and, but for processes on GPUs, which share it, batch normalisation.

    Args:
        model: network in its initial state.
        settings: the recipe. ``batch_size`` is over all devices together.
        data: folder of the prepared data set.
        output: folder of the checkpoints.
        curves: folder of the curves.
        facts: what checkpoints.load_trained needs (``network``, ``options``, ``classes``) and whatever else to store.
        times: CSV of ``data_time`` and ``step_time``, the seconds of each epoch that were waited for the loader, and
            those of the steps: other ones in each run, and so apart from the curves.
        resume: where the state after each epoch is kept, and taken from. The last stays: until the files are recorded,
            a training that was stopped after its last epoch ends again without training.

    Returns:
        On what it ran, for run.json: ``device``, ``processes``, ``tf32``, ``precision``; and ``states``, the folder in
            that of ``resume`` which has its states. None in a process other than the one that wrote the files.

    Raises:
        InputError: the device is not there, the data set is smaller than a batch or has no label in its validation
            split, a batch does not divide among the processes, the network lacks what the loss needs, an image is
            corrupt, the loss is no longer a number, or another process is at the same training.
        SystemExit: a signal asked the training to stop.
    """
    fabric = make_fabric(settings.precision, choose_device(settings.device, "train.device"))
    allow_tf32(settings.tf32)
    if resume:
        resume = replace(resume, fingerprint={**resume.fingerprint, "devices": _devices(fabric)})
    with launched(fabric), resume.lock() if resume and fabric.is_global_zero else nullcontext():
        _train(model, settings, data, output, curves, facts, times, resume, fabric)
        ran = {**process_facts(fabric), "precision": settings.precision}
        if resume:
            ran["states"] = resume.folder.name
        fabric.barrier()
    return ran if fabric.is_global_zero else None


def _train(
    model: nn.Module,
    settings: TrainSettings,
    data: Path,
    output: Path,
    curves: Path,
    facts: Mapping[str, Any],
    times: Path | None,
    resume: Resume | None,
    fabric: Fabric,
) -> None:
    if fabric.device.type == "cuda" and fabric.world_size > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    model.to(memory_format=memory_format(settings.memory_format))
    loader = training_loader(settings, data, fabric.global_rank, fabric.world_size)
    assert isinstance(loader.sampler, EpochSampler)
    optimizer = make_optimizer(model, settings)
    schedule = make_schedule(optimizer, settings, settings.epochs * len(loader))
    offset = settings.loss.class_weights
    weights = None if offset is None else class_weights(DatasetRecord.load(data), offset).to(fabric.device)
    network, optimizer = fabric.setup(Supervised(model, Loss(settings.loss, weights), settings), optimizer)
    validation = SegmentationDataset(data, "val")
    if not sum(validation.record.class_pixels["val"]):
        raise InputError(
            f"{data}: no pixel of the split val of {validation.record.title} has a label, and by these the best "
            "network is chosen; take a validation split with labels, and prepare the data set again"
        )

    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": fabric.strategy.precision}
    progress = Progress()
    if resume:
        progress = resume.restore(parts, output, fabric)
    told = False
    with (
        stop_on_signals(progress, resume, speak=fabric.is_global_zero),
        _live(curves, times, progress, fabric) as live,
        _bar(settings.epochs * len(loader), progress.epoch * len(loader), fabric) as bar,
    ):
        for epoch in range(progress.epoch + 1, settings.epochs + 1):
            loader.sampler.set_epoch(epoch)
            # For dropout; not the same in any two processes.
            torch.manual_seed(derived_seed("network", settings.seed, epoch, fabric.global_rank))
            rate = optimizer.param_groups[0]["lr"]
            watch, stopwatch = FirstNonFinite(settings.accumulate), Stopwatch()
            terms = _train_epoch(
                network, loader, settings.accumulate, optimizer, schedule, fabric, bar, watch, stopwatch
            )
            progress.times.append(stopwatch.row(epoch))
            if failure := watch.describe(loader, epoch, fabric):
                raise InputError(f"training: {failure} {_last_checkpoint(output, progress)}")
            row = {**{f"train/{name}": value for name, value in terms.items()}, "learning_rate": rate}
            if epoch % settings.validate_every == 0 or epoch == settings.epochs:
                share_buffers(model, fabric)
                miou = validate(model, validation, settings.input_size, fabric)
                if miou is None:
                    miou = 0.0
                    if live:
                        bar.write(f"training: epoch {epoch}: {_UNSETTLED}", file=sys.stderr)
                row["val/miou"] = miou
                if fabric.is_global_zero:
                    _save(model, output, {**facts, "epoch": epoch, "val_miou": miou}, best=miou > progress.best)
                progress.best = max(progress.best, miou)
            if live:
                _log(live, row)
                write_times(times, progress.times)
                if not told and (line := advice(progress.times[-1], settings.workers)):
                    bar.write(f"training: {line}", file=sys.stderr)
                    told = True
            progress.rows.append(row)
            progress.epoch = epoch
            if resume and fabric.is_global_zero:
                resume.save(progress, parts if epoch < settings.epochs else {}, output)


class Supervised(nn.Module):
    """A network and its loss as one module: DDP sees only in its output which parameters a loss does not reach."""

    def __init__(self, network: nn.Module, criterion: Loss, settings: TrainSettings) -> None:
        super().__init__()
        self.network = network
        self.criterion = criterion
        self.memory_format = memory_format(settings.memory_format)
        if settings.compile:
            network.compile()  # in place: its parameters keep their names
        self.compiled = settings.compile

    def forward(self, images: Tensor, labels: Tensor, boundaries: Tensor | None = None) -> dict[str, Tensor]:
        outputs = self._outputs(images.contiguous(memory_format=self.memory_format))
        if not isinstance(outputs, dict) or "out" not in outputs:
            name = type(self.network).__name__
            mend = "; train the whole one, and list it in run.pruned" if name == "MFARANetPruned" else ""
            raise InputError(
                f"{name} gives a {type(outputs).__name__.lower()} in training mode, not a dictionary with `out`, "
                f"and so is not trained{mend}"
            )
        return self.criterion(outputs, labels, boundaries)

    def _outputs(self, images: Tensor) -> Outputs:
        with nullcontext() if self.compiled else quick_convolutions(images):
            outputs: Outputs = self.network(images)
        return outputs


_UNSETTLED = (
    "scores are no numbers in validation, so the mIoU counts as 0; running statistics may settle with more epochs, or "
    "else lower train.base_lr in params.yaml"
)


def validate(model: nn.Module, dataset: SegmentationDataset, size: InputSize, fabric: Fabric) -> float | None:
    """mIoU (0..1) on whole images at ``size``, each process taking its share of the images.

    None where scores are no numbers in any process, as they can be for a while where the loss, which is of statistics
    of its batch, is one.
    """
    classes = len(dataset.record.classes)

    def count(item: tuple[int, Tensor, Tensor]) -> Tensor:
        _, prediction, label = item
        return confusion_matrix(prediction.cpu(), label, classes)

    share = range(fabric.global_rank, len(dataset), fabric.world_size)
    sizes = InputSizes(size, window=size.largest, base_size=max(size.largest))
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    failed = torch.zeros(1, dtype=torch.int64)
    try:
        for counts in in_background(count, predict_split(model, dataset, PROTOCOLS["full_image"], sizes, share)):
            confusion += counts
    except NonFiniteError:
        failed += 1
    # Together, so that no process waits for one that failed.
    total = _reduce(fabric, torch.cat([confusion.flatten(), failed]).to(fabric.device), "sum")
    if total[-1]:
        return None
    return float(intersection_over_union(total[:-1].view(classes, classes)).nanmean())


def _train_epoch(
    network: nn.Module,
    loader: Any,
    accumulate: int,
    optimizer: Optimizer,
    schedule: LRScheduler,
    fabric: Fabric,
    bar: "tqdm[Any]",
    watch: FirstNonFinite,
    stopwatch: Stopwatch,
) -> dict[str, float]:
    """Mean of each loss term over the epoch. The terms stay on the device until it ends."""
    network.train()
    sums: dict[str, Tensor] = {}
    for batch in stopwatch.batches(loader):
        batch = fabric.to_device(batch)
        optimizer.zero_grad()
        for part in range(accumulate):
            # Every n-th image, as n processes would take them: the parts are those of that many processes.
            images, labels, *boundaries = (each[part::accumulate] for each in batch)
            with fabric.no_backward_sync(network, enabled=part < accumulate - 1):  # type: ignore[arg-type]
                terms = network(normalise(images), labels.long(), *boundaries)
                fabric.backward(terms["total"] / accumulate)
            watch.look(terms)
            for name, value in terms.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach() / accumulate
        optimizer.step()
        schedule.step()
        bar.update()
    means = {name: float(_reduce(fabric, value / len(loader), "mean")) for name, value in sums.items()}
    bar.set_postfix(loss=f"{means['total']:.3f}")
    return means


def _save(model: nn.Module, output: Path, facts: Mapping[str, Any], *, best: bool) -> None:
    checkpoints.save(model, output / "last.safetensors", facts)
    if best:
        checkpoints.save(model, output / "best.safetensors", facts)


def _last_checkpoint(output: Path, progress: Progress) -> str:
    validated = [epoch for epoch, row in enumerate(progress.rows, start=1) if "val/miou" in row]
    if not validated:
        return "There is no checkpoint yet."
    return f"The last checkpoint is {output / 'last.safetensors'}, of epoch {validated[-1]}."


def _reduce(fabric: Fabric, value: Tensor, operation: str) -> Tensor:
    reduced = fabric.all_reduce(value, reduce_op=operation)
    assert isinstance(reduced, Tensor)
    return reduced


@contextmanager
def open_curves(folder: Path) -> Iterator[Live]:
    """Metrics and curves in DVCLive's form. DVC runs the stage and versions the files, so DVCLive only writes them."""
    live = Live(str(folder), save_dvc_exp=False, dvcyaml=None)
    try:
        yield live
    finally:
        # It removes a file for VS Code last, one for all trainings; where two end together, one finds it gone.
        with suppress(FileNotFoundError):
            live.end()  # type: ignore[no-untyped-call]


@contextmanager
def _live(curves: Path, times: Path | None, progress: Progress, fabric: Fabric) -> Iterator[Live | None]:
    """The curves up to now, written anew, to be gone on with; None where another process writes them."""
    if not fabric.is_global_zero:
        yield None
        return
    with open_curves(curves) as live:
        for row in progress.rows:
            _log(live, row)
        write_times(times, progress.times)
        yield live


def _log(live: Live, row: Mapping[str, float]) -> None:
    for name, value in row.items():
        live.log_metric(name, value)
    live.next_step()  # type: ignore[no-untyped-call]


def _bar(steps: int, done: int, fabric: Fabric) -> "tqdm[Any]":
    return tqdm(total=steps, initial=done, disable=not fabric.is_global_zero, desc="train")


def _devices(fabric: Fabric) -> str:
    return f"{fabric.world_size} x {fabric.device.type}"
