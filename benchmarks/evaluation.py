"""How long does an evaluation take beside the straightforward one, and a confusion matrix? Prints ratios and targets.

python -m benchmarks.evaluation   # nothing else should run

``multi_scale_flip`` of 2 drawn images of 1024x2048, with label maps written and scores counted; then the counting
alone, of one label map of 1024x2048.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import mfaranet
from benchmarks import protocol
from benchmarks.baseline import IGNORED, Baseline
from benchmarks.rows import Row, compared, in_turn, print_rows
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.datasets.preparation import prepare
from mfaranet.deployment.deploy import inference_form
from mfaranet.evaluation.inference import InputSizes
from mfaranet.evaluation.metrics import confusion_matrix, intersection_over_union
from mfaranet.evaluation.scoring import evaluate
from mfaranet.schema import SampleData
from mfaranet.sizes import InputSize

SIZE, WINDOW, IMAGES = (1024, 2048), 1024, 2
COUNTING_TURNS = 20
TARGETS = {"protocol": 0.5, "confusion": 0.2}
LEAST_EQUAL = 0.9999


def main() -> None:
    """Measure and print."""
    sys.exit(not print_rows(rows()))


def rows() -> list[Row]:
    """The protocol, and the counting."""
    torch.set_num_threads(os.cpu_count() or 1)
    return [_protocol(), _counting()]


@torch.inference_mode()
def _protocol() -> Row:
    with tempfile.TemporaryDirectory() as temporary:
        data, ours, theirs = (Path(temporary) / name for name in ("data", "ours", "theirs"))
        theirs.mkdir()
        prepare("sample", SampleData(form="sample", size=SIZE, train=1, val=IMAGES, test=1, seed=0), data)
        images, labels = (sorted((data / kind / "val").iterdir()) for kind in ("images", "labels"))
        dataset = SegmentationDataset(data, "val")
        torch.manual_seed(0)
        model, baseline = mfaranet.get_model("mfaranet").eval(), Baseline().eval()
        baseline.load_state_dict(model.state_dict())
        sizes = InputSizes(InputSize(SIZE), (WINDOW, WINDOW), max(SIZE))
        found = {}

        def ours_in_full() -> None:
            found["ours"] = evaluate(inference_form(model), dataset, "multi_scale_flip", sizes, ours)

        def theirs_in_full() -> None:
            found["theirs"] = protocol.evaluate(baseline, images, labels, theirs, WINDOW, max(SIZE))

        times = in_turn({"ours": ours_in_full, "theirs": theirs_in_full}, turns=1, keep=["ours"], warm_up=False)
        ids = np.array(dataset.record.label_ids, np.uint8)
        equal = np.mean(
            [np.array(Image.open(ours / each.name)) == ids[np.array(Image.open(theirs / each.name))] for each in images]
        )
        scores = intersection_over_union(found["ours"]).nan_to_num(0).numpy()
        if equal < LEAST_EQUAL or np.abs(scores - found["theirs"]).max() > 1e-3:
            sys.exit(f"only {equal:.4%} of pixels have the same label: nothing is measured")
    what = f"multi_scale_flip of {IMAGES} images, {SIZE[0]}x{SIZE[1]}"
    return compared(what, times["ours"], times["theirs"], TARGETS["protocol"])


def _counting() -> Row:
    draw = np.random.default_rng(0)
    label = np.kron(draw.integers(0, 19, (32, 64)), np.ones((32, 32))).astype(np.uint8)
    prediction = np.where(draw.random(label.shape) < 0.9, label, draw.integers(0, 19, label.shape)).astype(np.uint8)
    label[:64] = IGNORED
    matrix = confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(label), protocol.CLASSES)
    expected = protocol.areas(prediction, label)
    if not all(
        np.array_equal(a, b) for a, b in zip((matrix.diagonal(), matrix.sum(0), matrix.sum(1)), expected, strict=True)
    ):
        sys.exit("the counts differ: nothing is measured")
    ours = torch.from_numpy(prediction), torch.from_numpy(label)
    forms = {
        "ours": lambda: confusion_matrix(*ours, protocol.CLASSES),
        "theirs": lambda: protocol.areas(prediction, label),
    }
    times = in_turn(forms, COUNTING_TURNS)
    return compared("confusion matrix of 1024x2048", times["ours"], times["theirs"], TARGETS["confusion"])


if __name__ == "__main__":
    main()
