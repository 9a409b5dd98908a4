"""Which device is taken, what is said of it, and that none is asked for what it has not."""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CLASSES, make_loss, run_tiny, write_data
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import mfaranet
from mfaranet.data.transforms import normalise
from mfaranet.errors import InputError
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, predict
from mfaranet.evaluation.metrics import class_accuracy, confusion_matrix, intersection_over_union
from mfaranet.measure.machine import allow_tf32, choose_device, device_facts
from mfaranet.sizes import InputSize
from mfaranet.training.distributed import make_fabric


@pytest.fixture(autouse=True)
def tf32_as_before() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def there(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "wanted", "found"),
    [
        (False, False, "auto", "cpu"),
        (False, True, "auto", "cpu"),
        (True, True, "auto", "cuda"),
        (True, False, "cpu", "cpu"),
        (True, False, "cuda", "cuda"),
        (False, True, "mps", "mps"),
    ],
)
def test_the_device_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, wanted: str, found: str
) -> None:
    there(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device(wanted, "train.device") == torch.device(found)


@pytest.mark.parametrize("wanted", ["cuda", "mps"])
def test_one_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    there(monkeypatch, cuda=False, mps=False)
    with pytest.raises(InputError, match=rf"^params\.yaml: evaluate\.device: {wanted}, but torch finds no such device"):
        choose_device(wanted, "evaluate.device")


def test_a_mac_trains_on_its_processors_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there(monkeypatch, cuda=False, mps=True)
    ran = run_tiny(write_data(tmp_path / "data"), tmp_path / "run", tf32=True)
    assert {"device": "cpu", "processes": 1, "tf32": False, "precision": "32-true"}.items() <= ran.items()


def test_mps_takes_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"train\.device: mps takes one process, and 2"):
        make_fabric("32-true", torch.device("mps"))


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_as_params_say(tmp_path: Path, allowed: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        allow_tf32(not allowed)
    run_tiny(write_data(tmp_path / "data"), tmp_path / "run", tf32=allowed)
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == allowed
    torch.get_float32_matmul_precision()  # as Fabric does on a GPU


@pytest.mark.parametrize(("capability", "allowed"), [((8, 0), True), ((7, 5), True), ((9, 0), False)])
def test_what_is_said_of_a_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], allowed: bool) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "GPU 9000")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    allow_tf32(allowed)
    tf32 = allowed and capability >= (8, 0)
    for device, told in (("cuda:1", {"device": "GPU 9000", "tf32": tf32}), ("cpu", {"device": "cpu", "tf32": False})):
        facts = device_facts(torch.device(device))
        assert told.items() <= json.loads(json.dumps(facts)).items()
        assert facts["processor"].startswith(f"{os.cpu_count()} x ")
        assert (facts["threads"], facts["instructions"]) == (1, torch.backends.cpu.get_cpu_capability())


class NoFloat64(TorchDispatchMode):
    """Refuses what MPS would: a tensor of double precision on the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves((args, kwargs, result)):
            if isinstance(each, torch.Tensor) and each.device.type == "cuda":
                assert each.dtype not in (torch.float64, torch.complex128), func
        return result


def test_nothing_has_double_precision_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake tensors have a device that is not there, and no values. Any that is not the CPU stands for MPS."""
    monkeypatch.setattr(Tensor, "__bool__", lambda _: True)  # of a check that scores are numbers
    without_cudnn = torch.backends.cudnn.flags(enabled=False)  # type: ignore[no-untyped-call]
    with without_cudnn, FakeTensorMode(shape_env=ShapeEnv()), torch.device("cuda"), NoFloat64():
        model = mfaranet.get_model("mfaranet", len(CLASSES), auxiliary_head=True)
        images, labels = torch.zeros(2, 3, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)
        for name in ("joint_edge_ohem", "joint_edge", "cross_entropy"):
            assert make_loss(name)(model(normalise(images)), labels.long())["total"].dtype == torch.float32
        model.eval()
        sizes = InputSizes(InputSize((64, 64)), (64, 64), 64)
        for protocol in PROTOCOLS.values():
            prediction = predict(model, torch.zeros(3, 64, 64, dtype=torch.uint8), protocol, sizes)
        assert prediction.device.type == "cuda"
        confusion = confusion_matrix(torch.zeros(64, 64, dtype=torch.uint8), labels[0], len(CLASSES))
        assert confusion.device.type == "cuda"
        for score in (intersection_over_union, class_accuracy):
            assert score(confusion).dtype == torch.float64
            assert score(confusion).device.type == "cpu"
