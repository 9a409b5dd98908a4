"""Seconds for one image in training and in evaluation, as docs/scale.md needs them. Nothing else should run.

python -m benchmarks.scale [height width [batch]]    (of a training crop; evaluation is at height x twice the height)
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

import mfaranet
from mfaranet.params import load
from mfaranet.training.losses import Loss
from mfaranet.training.optimization import make_optimizer


def main() -> None:
    """Print the median of five steps and of five passes."""
    height, width, batch = (int(value) for value in (*sys.argv[1:], *("1024", "1024", "2")[len(sys.argv) - 1 :]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = mfaranet.get_model("mfaranet").to(device)
    settings = load().settings("cityscapes", "base").train
    optimizer, criterion = make_optimizer(model, settings), Loss(settings.loss)
    images = torch.rand(batch, 3, height, width, device=device)
    labels = torch.randint(0, 19, (batch, height // 8, width // 8), device=device)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)

    def step() -> None:
        optimizer.zero_grad()
        criterion(model.train()(images), labels)["total"].backward()
        optimizer.step()

    def saved_gib(backbone: str) -> float:
        """What one image keeps until the backward pass."""
        network = mfaranet.get_model("mfaranet", backbone=backbone).to(device).train()
        weights = {each.untyped_storage().data_ptr() for each in network.state_dict().values()}
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            total = criterion(network(images[:1]), labels[:1])["total"]
        assert total.requires_grad  # and so nothing is freed yet, and no address is another tensor's again
        return sum(size for at, size in kept.items() if at not in weights) / 2**30

    @torch.inference_mode()
    def evaluate() -> None:
        model.eval()(torch.rand(1, 3, height, 2 * height, device=device))

    print(f"{device}, {torch.get_num_threads()} threads, float32")
    print(f"T: {seconds(step) / batch:.3f} s an image, training at {height}x{width}, batch {batch}")
    if device.type == "cuda":
        print(f"   {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    for backbone in ("resnet18", "resnet50"):
        print(f"M: {saved_gib(backbone):.2f} GiB an image, kept for the backward pass, {backbone}", flush=True)
    print(f"E: {seconds(evaluate):.3f} s an image, one pass at {height}x{2 * height}")


def seconds(work: Callable[[], None]) -> float:
    """Median of five, after one to warm up."""
    times = []
    for _ in range(6):
        begin = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
