"""Several processes against one, on the CPU; who is asked how many there are."""

import json
import math
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TinyNetwork, curve, run_tiny, settings, whiten, write_data

from mfaranet.data.loading import training_loader
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.errors import InputError
from mfaranet.measure.machine import choose_device
from mfaranet.sizes import InputSize
from mfaranet.training.distributed import make_fabric
from mfaranet.training.loop import validate
from mfaranet.weights.checkpoints import read

STILL = {"scale": (1.0, 1.0), "rotation_probability": 0.0}
SLURM = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "2"}


def program(data: Path, output: Path, changes: dict[str, Any]) -> list[str]:
    return [str(Path(__file__).parent / "tiny.py"), str(data), str(output), json.dumps(changes)]


def torchrun(data: Path, output: Path, **changes: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*command, *program(data, output, changes)], capture_output=True, text=True, timeout=300)


def run_by_torchrun(data: Path, output: Path, **changes: Any) -> Any:
    """What the process that writes, and no other, says of the training."""
    done = torchrun(data, output, **changes)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_as_by_slurm(data: Path, output: Path, **changes: Any) -> None:
    """Two processes with the variables that ``srun --ntasks-per-node 2`` sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    step = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "2"}
    job = {"SLURM_JOB_ID": "12", "SLURM_NODELIST": "127.0.0.1", "SLURM_NODEID": "0", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, *program(data, output, changes)],
            env={**os.environ, **step, **job, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(300) for process in processes] == [0, 0]


def assert_same_training(first: Path, second: Path) -> None:
    states = [read(folder / "last.safetensors")[0] for folder in (first, second)]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-5, atol=1e-6)
    curves = [json.loads((folder / "curves/metrics.json").read_text()) for folder in (first, second)]
    assert curves[1]["train"] == pytest.approx(curves[0]["train"], rel=1e-5)
    assert curves[1]["val"] == pytest.approx(curves[0]["val"], abs=1e-3)
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*")) for folder in (first, second)]
    assert files[0] == files[1]


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", train=8, ignored_rows=0)
    changes = {"batch_size": 4, "epochs": 3, "validate_every": 2, "loss": "cross_entropy", "augmentation": STILL}
    run_tiny(data, tmp_path / "one", **changes)
    ran = run_by_torchrun(data, tmp_path / "two", **changes)
    assert {"device": "cpu", "processes": 2, "tf32": False, "precision": "32-true"}.items() <= ran.items()
    assert_same_training(tmp_path / "one", tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "one", "two"]


def test_two_processes_train_as_one_that_takes_a_batch_in_two_parts(tmp_path: Path) -> None:
    """The paper's loss sees each part by itself, four on one process, two on each of two; random augmentation."""
    data = write_data(tmp_path / "data", train=8)
    changes = {"batch_size": 8, "epochs": 3, "loss": "joint_edge_ohem", "workers": 1}
    run_tiny(data, tmp_path / "one", accumulate=4, **changes)
    run_as_by_slurm(data, tmp_path / "two", accumulate=2, **changes)
    assert_same_training(tmp_path / "one", tmp_path / "two")


def test_every_process_validates_the_network_that_is_saved(tmp_path: Path) -> None:
    """Each has gathered its own running statistics in the last step."""
    data = write_data(tmp_path / "data", train=8, val=5)
    changes = {"batch_size": 4, "epochs": 2, "validate_every": 1, "base_lr": 0.05, "loss": "cross_entropy"}
    run_by_torchrun(data, tmp_path / "two", norm=True, **changes)
    state, facts = read(tmp_path / "two/last.safetensors")
    network = TinyNetwork(norm=True)
    network.load_state_dict(state)
    fabric = make_fabric("32-true", torch.device("cpu"))
    miou = validate(network, SegmentationDataset(data, "val"), InputSize((64, 128)), fabric)
    assert miou == facts["val_miou"] == curve(tmp_path / "two", "val/miou")[-1]


def test_a_loss_that_is_no_number_in_one_process_ends_all(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", train=8)
    whiten(data, 3)
    changes = {"batch_size": 4, "accumulate": 1, "epochs": 2, "augmentation": STILL}
    recipe = settings(**changes)
    (place,) = [
        (rank, step)
        for rank in range(2)
        for step, images in enumerate(epoch_images(training_loader(recipe, data, rank, 2)))
        if images.amin((1, 2, 3)).max() == 255
    ]
    done = torchrun(data, tmp_path / "two", **changes)
    assert done.returncode != 0
    (found,) = set(
        re.findall(r"in epoch 1, step (\d) of 2 \(process (\d) of 2: total, .*, with the images (.*)\)", done.stderr)
    )
    assert (int(found[1]), int(found[0]) - 1) == place
    assert "train/3" in found[2].split(", ")
    assert len(found[2].split(", ")) == 2


def epoch_images(loader: Any) -> list[torch.Tensor]:
    loader.sampler.set_epoch(1)
    return [images for images, *_ in loader]


def test_a_share_without_a_label_keeps_no_process_waiting(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", void={f"train/{index}" for index in range(3)})
    run_by_torchrun(data, tmp_path / "two", batch_size=2, epochs=2, accumulate=1)
    assert all(map(math.isfinite, curve(tmp_path / "two", "train/total")))


def layout(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[int, int]:
    for name in (*SLURM, "TORCHELASTIC_RUN_ID", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric("32-true", choose_device("auto", "train.device"))
    nodes = getattr(fabric.strategy, "num_nodes", 1)
    return fabric.world_size // nodes, nodes


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3", "RANK": "0", "LOCAL_RANK": "0"}
    rank = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    assert layout(monkeypatch) == (1, 1)
    assert layout(monkeypatch, **torchrun) == (3, 2)
    assert layout(monkeypatch, **SLURM, **rank) == (2, 2)
    assert layout(monkeypatch, **torchrun, **SLURM, **rank) == (3, 2)
    assert layout(monkeypatch, **{**SLURM, **rank, "SLURM_NTASKS": "1"}) == (1, 1)
    in_the_batch_script = {name: value for name, value in {**SLURM, **rank}.items() if name != "SLURM_STEP_ID"}
    assert layout(monkeypatch, **in_the_batch_script) == (1, 1)


def test_an_uneven_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="not spread evenly"):
        layout(monkeypatch, **{**SLURM, "SLURM_NTASKS": "3"})
    with pytest.raises(InputError, match="--ntasks-per-node"):
        layout(monkeypatch, SLURM_STEP_ID="0", SLURM_NTASKS="2", SLURM_NNODES="1")
