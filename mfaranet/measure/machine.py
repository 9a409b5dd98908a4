"""The device that a stage computes on, and how precisely it multiplies there."""

import ctypes
import os
import platform
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mfaranet.errors import InputError
from mfaranet.schema import MemoryFormat

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # as malloc.h numbers them
_KEPT = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1))
_GIVEN_BACK = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 2**25), (_TRIM_THRESHOLD, 2**26))  # what it comes to in a while


def choose_device(wanted: str, key: str) -> torch.device:
    """The device of a name: cpu, cuda, mps, or ``auto``, a GPU where CUDA has one and the CPU elsewhere, never MPS.

    Raises:
        InputError: the device is not there; the message names the ``key`` of params.yaml.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there[wanted]:
        raise InputError(f"params.yaml: {key}: {wanted}, but torch finds no such device here; auto takes what is there")
    return torch.device(wanted)


def allow_tf32(allowed: bool) -> None:
    """Let this process take TF32 for float32, in convolutions and matrix products on a GPU that has it, or not."""
    # The newer names of the same two, fp32_precision, would make torch.get_float32_matmul_precision fail in Fabric.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed


def memory_format(name: MemoryFormat) -> torch.memory_format:
    """PyTorch's own of a name in params.yaml."""
    return {"channels_first": torch.contiguous_format, "channels_last": torch.channels_last}[name]


def keep_memory(keep: bool = True) -> None:
    """Let this process keep the memory that it frees, for its next pass; or give it back, as glibc does by itself.

    By itself it takes each block of more than 32 MiB from the system and gives it back, and the system fills every page
    with zeros: a quarter of a pass of 512x1024 on two cores. Not for training, where blocks are of so many sizes that
    one fifth more memory is taken. Nothing is changed where the C library is another one.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for setting in _KEPT if keep else _GIVEN_BACK:
            library.mallopt(*setting)
        if not keep:
            library.malloc_trim(0)


def device_name(device: torch.device) -> str:
    """The GPU's own name, or cpu or mps."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def place(model: nn.Module, wanted: str, tf32: bool) -> dict[str, Any]:
    """Move a trained network to the device of ``evaluate.device``; for run.json: device_facts and how it computes."""
    device = choose_device(wanted, "evaluate.device")
    allow_tf32(tf32)
    model.to(device)
    return {**device_facts(device), "processes": 1, "precision": "32-true"}


def device_facts(device: torch.device) -> dict[str, Any]:
    """For run.json, what the bits of a result depend on: the device and whether products of float32 were TF32 there
    (``tf32``), and of the CPU its kind, the ``threads`` of this process and the ``instructions`` that torch uses.
    """
    has_tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return {
        "device": device_name(device),
        "tf32": has_tf32 and torch.backends.cudnn.allow_tf32,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def processor() -> str:
    """Number and model of processors, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {models[0] if models else platform.processor() or platform.machine()}"
