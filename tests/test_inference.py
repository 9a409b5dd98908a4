"""Evaluation protocols against the numbers of the official engine."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from official import GOLDENS, assert_stats, fill, make_input
from test_export import warm_up
from torch import Tensor, nn

import mfaranet
from mfaranet.deployment.deploy import inference_form
from mfaranet.errors import InputError
from mfaranet.evaluation import inference
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, Protocol, finite, predict, score_images, windows
from mfaranet.schema import ProtocolName
from mfaranet.sizes import InputSize, scaled

GOLDEN = GOLDENS["protocols_end_to_end"][0]
SIZES = InputSizes(InputSize((64, 128)), window=tuple(GOLDEN["crop"]), base_size=GOLDEN["base_size"])
CASES = {
    "full_image": "full_image",
    "single_scale": "SS_stride_1",
    "single_scale_flip": "SS_flip_stride_1",
    "multi_scale_flip": "MS_flip_stride_2_3",
}


def test_what_the_name_of_a_protocol_says() -> None:
    multi = Protocol((0.5, 0.75, 1.0, 1.25, 1.5, 1.75), stride_rate=2 / 3)
    expected = {
        "full_image": Protocol(),
        "single_scale": Protocol((1.0,)),
        "single_scale_flip": Protocol((1.0,), flip=True),
        "multi_scale_flip": replace(multi, flip=True),
        "single_scale_plain": Protocol((1.0,), plain=True),
        "single_scale_flip_plain": Protocol((1.0,), flip=True, plain=True),
        "multi_scale_flip_plain": replace(multi, flip=True, plain=True),
    }
    assert expected == PROTOCOLS
    assert {name: inference._protocol(name) for name in get_args(ProtocolName)} == expected
    assert [PROTOCOLS[name].sees((64, 128), (48, 32)) for name in ("full_image", "single_scale")] == [
        (64, 128),
        (48, 32),
    ]


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    model = nn.Conv2d(3, 5, 1)
    model.weight.data.fill_(1)
    sizes = InputSizes(InputSize((16, 32)), (16, 16), 32)
    image = torch.full((3, 16, 32), 128, dtype=torch.uint8)
    assert predict(model, image, PROTOCOLS[name], sizes).max() < 5
    model.bias.data[3] = value
    with pytest.raises(InputError) as refused:
        predict(model, image, PROTOCOLS[name], sizes)
    assert str(refused.value) == (
        "the network: its scores are no numbers, as weights or running statistics are too large; take the checkpoint "
        "of another epoch, or train with a lower train.base_lr"
    )


def test_scores_of_half_precision_are_numbers() -> None:
    """Though their sum would be none."""
    logits = torch.full((1, 5, 16, 32), 100.0, dtype=torch.float16)
    assert finite(logits) is logits


def predict_scores(model: nn.Module, image: Tensor, protocol: Protocol, sizes: InputSizes) -> Tensor:
    return next(score_images(model, [image], protocol, sizes))


@pytest.mark.parametrize("name", CASES)
def test_scores_of_a_protocol(name: str) -> None:
    model = fill(mfaranet.get_model("mfaranet")).eval()
    with torch.inference_mode():
        scores = predict_scores(model, make_input(64, 128, 0).float(), PROTOCOLS[name], SIZES)
    assert_stats(scores, GOLDEN[CASES[name]]["stats"], 2e-4)
    histogram = torch.bincount(scores.argmax(1).flatten(), minlength=19)
    assert (histogram - torch.tensor(GOLDEN[CASES[name]]["argmax_histogram"])).abs().max() <= 2


@pytest.mark.parametrize("golden", GOLDENS["sliding_windows"])
def test_windows(golden: dict[str, Any]) -> None:
    size = scaled(tuple(golden["network_input_image"]), golden["base_size"] * golden["scale"])
    assert list(size) == golden["scaled_hw"]
    padded = (max(size[0], golden["crop"][0]), max(size[1], golden["crop"][1]))
    assert list(padded) == golden["padded_hw"]
    rate = {"2/3": 2 / 3, "1": 1.0}[str(golden["stride_rate"])]
    found = [[r.start, r.stop, c.start, c.stop] for r, c in windows(padded, tuple(golden["crop"]), rate)]
    assert found == golden["windows_h0_h1_w0_w1"]


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(8, 90), st.integers(8, 90)),
    window=st.tuples(st.integers(2, 8), st.integers(2, 8)),
    stride_rate=st.floats(0.5, 1.0),
)
def test_windows_cover_every_pixel(size: tuple[int, int], window: tuple[int, int], stride_rate: float) -> None:
    visits = torch.zeros(size)
    for rows, columns in windows(size, window, stride_rate):
        assert visits[rows, columns].shape == window
        visits[rows, columns] += 1
    assert visits.min() > 0


class Brightness(torch.nn.Module):
    """Two classes: logits are the red channel and its negative, so that every score can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images)
        return torch.cat([images[:, :1], -images[:, :1]], dim=1)


def test_plain_protocols_average_probabilities_of_the_image_as_it_is() -> None:
    image, model = make_input(32, 64, 0).float(), Brightness()
    sizes = InputSizes(InputSize((32, 64)), window=(32, 64), base_size=128)
    scores = predict_scores(model, image, PROTOCOLS["single_scale_flip_plain"], sizes)
    torch.testing.assert_close(scores, torch.cat([image[:, :1], -image[:, :1]], dim=1).softmax(1))
    assert [tuple(seen.shape) for seen in model.seen] == [(2, 3, 32, 64)]
    # The official one enlarges the image to the base size first, and has exp in place of probabilities.
    official, model = Brightness(), Brightness()
    scores = predict_scores(official, image, PROTOCOLS["single_scale"], sizes)
    assert [tuple(seen.shape) for seen in official.seen] == [(4, 3, 32, 64)]
    assert scores.max() > 1
    scores = predict_scores(model, image, PROTOCOLS["multi_scale_flip_plain"], sizes)
    torch.testing.assert_close(scores.sum(1), torch.full((1, 32, 64), 6.0))


@pytest.mark.parametrize(("name", "fill"), [("single_scale", (0.485, 0.456, 0.406)), ("single_scale_plain", (0, 0, 0))])
def test_what_a_small_image_is_padded_with(name: str, fill: tuple[float, ...]) -> None:
    image, model = make_input(32, 64, 0).float(), Brightness()
    predict_scores(model, image, PROTOCOLS[name], InputSizes(InputSize((32, 64)), window=(48, 64), base_size=64))
    seen = model.seen[0]
    assert seen.shape == (1, 3, 48, 64)
    assert torch.equal(seen[..., 8:40, :], image)
    border = torch.cat([seen[..., :8, :], seen[..., 40:, :]], dim=2)
    assert torch.equal(border, torch.tensor(fill).view(1, 3, 1, 1).expand_as(border))


def test_a_resized_image_gets_its_label_map_at_its_own_size() -> None:
    model = mfaranet.get_model("mfaranet", num_classes=5).eval()
    image = torch.randint(0, 256, (3, 60, 100), dtype=torch.uint8)
    with torch.inference_mode():
        labels = predict(model, image, PROTOCOLS["full_image"], InputSizes(InputSize((64, 128)), (64, 64), 128))
    assert labels.shape == (60, 100)
    assert labels.dtype == torch.uint8
    assert labels.max() < 5


def test_an_image_is_predicted_at_the_size_and_in_the_windows_that_are_asked() -> None:
    model, image = Brightness(), torch.zeros(3, 30, 50, dtype=torch.uint8)
    sizes = InputSizes(InputSize(100), window=(30, 50), base_size=100)
    assert predict(model, image, PROTOCOLS["full_image"], sizes).shape == (30, 50)
    assert predict(model, image, PROTOCOLS["single_scale"], sizes).shape == (30, 50)
    assert [tuple(seen.shape) for seen in model.seen] == [(1, 3, 60, 100), (4, 3, 30, 50)]


def test_small_windows_share_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four and the last two, with the scores of windows one by one."""
    model = mfaranet.get_model("mfaranet", num_classes=5).eval()
    image = make_input(32, 192, 0).float()
    sizes = InputSizes(InputSize((32, 192)), window=(32, 64), base_size=192)
    protocol = PROTOCOLS["single_scale_flip"]
    found, batches = [], []
    model.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    with torch.inference_mode():
        for pixels in (1, 4 * 32 * 64):
            monkeypatch.setattr("mfaranet.evaluation.inference._PIXELS_AT_ONCE", pixels)
            found.append(predict_scores(model, image, protocol, sizes))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
    assert batches == [1, 1, 1, 1, 1, 1, 4, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["mfaranet", "fast_scnn"])
def test_the_inference_form_gives_the_labels_of_the_plain_network(name: str, dtype: torch.dtype) -> None:
    """Where the two best scores differ by more than rounding; in windows large enough for Winograd's algorithm."""
    torch.manual_seed(0)
    model = mfaranet.get_model(name, num_classes=5)
    image = torch.randn(1, 3, 6, 8).repeat_interleave(32, 2).repeat_interleave(32, 3)
    warm_up(model, image.repeat(2, 1, 1, 1))
    model, image = model.to(dtype), image.to(dtype)
    form = inference_form(model)
    sizes = InputSizes(InputSize((192, 256)), window=(192, 192), base_size=256)
    with torch.inference_mode():
        expected, found = (
            predict_scores(network, image, PROTOCOLS["single_scale_flip"], sizes) for network in (model, form)
        )
    assert found.dtype == dtype
    tolerance = 2e-4 if dtype == torch.float32 else 1e-6  # the flow's grid is float32 in the official code
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)
    best = expected.topk(2, dim=1).values
    clear = best[:, 0] > (1 + 2 * tolerance) * best[:, 1]
    assert clear.float().mean() > 0.98
    assert (found.argmax(1) == expected.argmax(1))[clear].all()
    assert len(expected.argmax(1).unique()) > 1
