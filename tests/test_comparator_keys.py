"""The linked implementations' checkpoints of the compared networks: every tensor lands, or the file is refused.

goldens/comparator_keys has each linked implementation's modules in its order of registration. A line is: when the
module is first executed in evaluation (-: never; =: a second name of a module above), its name, its kind, the size of
its weight, and whether it has a bias.
"""

import zlib
from math import prod
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from official import FOLDER
from test_comparators import COSTS, names_in_order
from torch import Tensor

import mfaranet
from mfaranet.errors import InputError
from mfaranet.weights.official import our_names

MAPPED = sorted(path.stem for path in (FOLDER / "comparator_keys").glob("*.txt"))
UNMAPPED = ["dfanet_b", "dfn", "dmanet", "espnet", "shelfnet_18"]
# Parameters of the linked implementations as built for training, in shared/reference/comparators.json.
PARAMS = {
    "aglnet": 1024332,
    "bisenet_v1": 13425721,
    "cgnet": 496306,
    "cifrenet": 1949901,
    "contextnet": 1008870,
    "deeplab_v2": 43901068,
    "edanet": 689485,
    "enet": 351660,
    "erfnet": 2066642,
    "fast_scnn": 1157174,
    "hrnet_v2": 65859379,
    "icnet": 28298376,
    "mininet_v2": 507243,
    "pspnet": 68072166,
    "refinenet": 118047827,
    "sfnet_df1": 8498969,
    "sgcpnet2": 607826,
    "stdc2_seg75": 16079392,
    "swiftnet_18": 11797071,
}


class Module(NamedTuple):
    position: str
    name: str
    kind: str
    shape: tuple[int, ...]
    bias: bool

    def tensors(self) -> dict[str, tuple[int, ...]]:
        if self.kind == "raw":
            return {self.name: self.shape}
        parts = {"weight": self.shape}
        if self.kind == "norm":
            parts |= dict.fromkeys(("bias", "running_mean", "running_var"), self.shape) | {"num_batches_tracked": ()}
        if self.bias:
            parts["bias"] = (self.shape[self.kind == "tconv"],)
        return {f"{self.name}.{part}": shape for part, shape in parts.items()}


def modules(slug: str) -> list[Module]:
    found = []
    for line in (FOLDER / f"comparator_keys/{slug}.txt").read_text().splitlines():
        position, name, kind, size, *bias = line.split()
        found.append(Module(position, name, kind, tuple(map(int, size.split("x"))), bool(bias)))
    return found


def released(slug: str) -> dict[str, Tensor]:
    """A state dict in the linked implementation's names; each tensor has one value, drawn by its name."""
    return {key: drawn(key, shape) for module in modules(slug) for key, shape in module.tensors().items()}


def drawn(key: str, shape: tuple[int, ...]) -> Tensor:
    crc = zlib.crc32(key.encode())
    if key.endswith("num_batches_tracked"):
        return torch.tensor(crc % 1000)
    value = 2 * crc / 2**32 - 1
    if key.endswith("running_var"):
        value = 1 + abs(value)
    return torch.tensor(value / max(prod(shape[1:]), 1)).expand(shape)


@pytest.mark.parametrize("slug", MAPPED)
def test_a_checkpoint_of_the_linked_implementation(slug: str, tmp_path: Path) -> None:
    state = released(slug)
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, tmp_path / "pth")
    model = mfaranet.get_model(slug, **({"auxiliary_head": True} if slug == "fast_scnn" else {})).eval()
    report = mfaranet.load_official_checkpoint(model, tmp_path / "pth")
    names, own = our_names(model), model.state_dict()
    assert sorted(names.values()) == sorted(own)
    assert [report.epoch, *report.untouched] == [3]
    assert set(report.left_out) == set(state) - set(names)
    for key, name in names.items():
        assert torch.equal(own[name], in_place(slug, name, state[key])), key
    with torch.inference_mode():
        assert bool(model(torch.linspace(-1, 1, 3 * 64 * 128).reshape(1, 3, 64, 128)).isfinite().all())
    assert_same_order(slug, names, modules(slug))


def in_place(slug: str, name: str, tensor: Tensor) -> Tensor:
    """STDC-Seg's own normalisation, outside the encoder, scales by the weight's absolute value and a little more."""
    scale = slug == "stdc2_seg75" and name.endswith(".weight") and tensor.dim() == 1
    return tensor.abs() + 1e-5 if scale and not name.startswith("backbone.") else tensor


def assert_same_order(slug: str, names: dict[str, str], linked: list[Module]) -> None:
    """Each module of the linked implementation is executed when ours of its name is."""
    executed = names_in_order(slug, [1, 3, 64, 128])
    found = {int(m.position): names[f"{m.name}.weight"] for m in linked if m.position.isdecimal()}
    assert sorted(found) == list(range(len(executed)))
    for position, name in found.items():
        assert name.removesuffix(".weight") == executed[position]


@pytest.mark.parametrize("slug", MAPPED)
def test_the_lists_have_all_parameters(slug: str) -> None:
    buffers = ("running_mean", "running_var", "num_batches_tracked", "img_mean", "img_std")
    first = [module.tensors() for module in modules(slug) if module.position != "="]
    sizes = {key: prod(shape) for part in first for key, shape in part.items() if not key.endswith(buffers)}
    assert sum(sizes.values()) == PARAMS[slug]
    with torch.device("meta"):
        model = mfaranet.get_model(slug)
    names = our_names(model)
    ours = {names[key]: size for key, size in sizes.items() if key in names}
    assert ours == {name: parameter.numel() for name, parameter in model.named_parameters()}
    assert sum(size for name, size in ours.items() if not name.startswith("auxiliary")) == COSTS[slug]["params"]


@pytest.mark.parametrize("slug", UNMAPPED)
def test_a_network_without_a_map_takes_no_checkpoint(slug: str) -> None:
    model = mfaranet.get_model(slug)
    message = "takes no weights of the linked .* its facts say why"
    with pytest.raises(InputError, match=message):
        mfaranet.load_official_checkpoint(model, {"conv.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder.layers.0.bn.weight": None}, r"is missing: decoder.layers.0.bn.weight\. Were"),
        ({"encoder.layers.3.bn2.running_var": None}, "is missing: encoder.layers.3.bn2.running_var"),
        ({"encoder.layers.15.bn2.weight": torch.zeros(1)}, "has no place in this network: encoder.layers.15.bn2.w"),
        ({"encoder.0.0.conv.weight": torch.zeros(1)}, "has no place in this network: encoder.0.0.conv.weight"),
        ({"decoder.output_conv.bias": torch.zeros(20)}, "has another shape than in this network: decoder.output_conv"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(
    change: dict[str, Tensor | None], message: str
) -> None:
    state = {key: tensor for key, tensor in {**released("erfnet"), **change}.items() if tensor is not None}
    model = mfaranet.get_model("erfnet")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        mfaranet.load_official_checkpoint(model, state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_deeper_network_is_refused() -> None:
    model = mfaranet.get_model("pspnet", depth=50)
    with pytest.raises(InputError, match=r"has no place in this network: layer3.6.conv1.weight.* more. Were the netw"):
        mfaranet.load_official_checkpoint(model, released("pspnet"))


def test_heads_that_a_network_has_not_are_left_out() -> None:
    model = mfaranet.get_model("sfnet_df1", deep_supervision=False)
    state = released("sfnet_df1")
    report = mfaranet.load_official_checkpoint(model, state)
    assert report.left_out == [key for key in state if key.startswith("head.dsn.")]


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "segmenter", None])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model."])
def test_forms_of_files(wrapper: str | None, prefix: str) -> None:
    """Those of CGNet, SGCPNet, HRNet and others, without the counts of batches that old files have not."""
    state = {prefix + key: tensor for key, tensor in released("edanet").items() if "num_batches" not in key}
    model = mfaranet.get_model("edanet")
    mfaranet.load_official_checkpoint(model, state if wrapper is None else {wrapper: state, "lr": 0.1})
    assert torch.equal(model.state_dict()["layers.16.bias"], state[f"{prefix}project_layer.bias"])
    assert int(model.state_dict()["layers.0.1.num_batches_tracked"]) == 0
