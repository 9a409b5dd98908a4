"""Is the pruned network faster than the full one in every interleaved repeat? Prints a ratio for each, and says so.

python -m benchmarks.pruning [height width]
"""

import sys

import torch

import mfaranet
from mfaranet.measure.latency import measure
from mfaranet.schema import LatencySettings


def main() -> None:
    """Time both, batch 1, by the strict protocol."""
    size = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) == 3 else (256, 512)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = LatencySettings(
        protocol="strict",
        device="auto",
        precision="float32",
        memory_format="channels_first",
        forms=[],
        threads=None,
        sizes=[size],
        seconds=18.0,
        repeats=9,
        budget=60.0,
        experiments=["base", "base_pruned"],
    )
    full = mfaranet.get_model("mfaranet").eval()
    networks = {"full": full, "pruned": mfaranet.prune(full)}
    macs = {name: mfaranet.complexity(network, size).macs for name, network in networks.items()}
    timings = measure(networks, settings, torch.device(device))
    times = [next(iter(timings[name].values()))["repeats"] for name in ("pruned", "full")]
    ratios = [pruned / full for pruned, full in zip(*times, strict=True)]
    print(f"pruned / full at {size[0]}x{size[1]} on {device}, median time of each repeat:")
    print("  ".join(f"{ratio:.3f}" for ratio in ratios))
    print(f"multiply-accumulates: {macs['pruned'] / macs['full']:.3f}")
    sys.exit(max(ratios) >= 1)


if __name__ == "__main__":
    main()
