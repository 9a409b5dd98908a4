"""The processes of one training, one for each device: started by torchrun or Slurm, or here for all GPUs of a node."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn

from mfaranet.errors import InputError
from mfaranet.measure.machine import device_facts


def make_fabric(precision: str, device: torch.device) -> Fabric:
    """Fabric on the devices of one type that the environment names.

    Under torchrun and in a Slurm step of several tasks (``srun``) these are the processes that are there; each task
    must see all GPUs of its node. Otherwise it is every GPU that this process sees (CUDA_VISIBLE_DEVICES), where the
    device is one, or one process.

    Raises:
        InputError: the processes are not spread evenly over the nodes, or Slurm does not say how, or there are several
            and the device is MPS.
    """
    devices, nodes, environment = _layout(torch.cuda.device_count() if device.type == "cuda" else 1)
    if device.type == "mps" and devices * nodes > 1:
        raise InputError(f"params.yaml: train.device: mps takes one process, and {devices * nodes} were started")
    # Some losses leave heads of the network without a gradient, and DDP waits for all that it is not told of.
    strategy = DDPStrategy(find_unused_parameters=True) if devices * nodes > 1 else "auto"
    return Fabric(
        accelerator=device.type,
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        precision=precision,  # type: ignore[arg-type]
        plugins=[environment],
    )


@contextmanager
def launched(fabric: Fabric) -> Iterator[None]:
    """Start the processes that are missing, and end them if the block fails: they would wait for this one for ever.

    After the block they can no longer speak with each other.
    """
    fabric.launch()
    try:
        yield
        if torch.distributed.is_initialized():
            # Left to the end of the process, gloo's threads now and then abort it, and torchrun then ends the others.
            torch.distributed.destroy_process_group()
    except BaseException:
        for process in getattr(fabric.strategy.launcher, "procs", []):
            process.kill()
        raise


def share_buffers(model: nn.Module, fabric: Fabric) -> None:
    """Give all processes the buffers of the first, such as the running statistics that each gathers from its share."""
    if fabric.world_size > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)


def process_facts(fabric: Fabric) -> dict[str, Any]:
    """For run.json: device_facts, over the devices of all ``processes``."""
    own = device_facts(fabric.device)
    every: list[Any] = [own] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(every, own)
    devices = ", ".join(sorted({each["device"] for each in every}))
    tf32 = any(each["tf32"] for each in every)
    return {**own, "device": devices, "processes": fabric.world_size, "tf32": tf32}


def _layout(own: int) -> tuple[int, int, ClusterEnvironment]:
    """Processes on a node (``own`` where nobody else started any), nodes, and who started the processes."""
    if TorchElasticEnvironment.detect():
        on_node = int(os.environ["LOCAL_WORLD_SIZE"])
        return on_node, _divide(int(os.environ["WORLD_SIZE"]), on_node), TorchElasticEnvironment()
    # In the batch script itself, without srun, there are Slurm's variables too, but one process.
    tasks = int(os.environ.get("SLURM_NTASKS", 1)) if "SLURM_STEP_ID" in os.environ else 1
    if tasks > 1:
        if "SLURM_NTASKS_PER_NODE" not in os.environ:
            raise InputError(f"Slurm: {tasks} tasks, but not how many on a node; use srun --ntasks-per-node")
        nodes = int(os.environ["SLURM_NNODES"])
        return _divide(tasks, nodes), nodes, SLURMEnvironment(auto_requeue=False)
    return own, 1, LightningEnvironment()


def _divide(processes: int, parts: int) -> int:
    if processes % parts:
        raise InputError(f"{processes} processes are not spread evenly over the nodes; start as many on each")
    return processes // parts
