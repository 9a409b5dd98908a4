"""params.yaml: what is refused, and how the layers are merged."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mfaranet.errors import InputError
from mfaranet.params import Params, load
from mfaranet.training.checking import check_networks

REPOSITORY = Path(__file__).parents[1]


def changed(folder: Path, *keys: str, value: Any) -> Path:
    """A copy of params.yaml in which one key, given by its path, has another value."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def params() -> Params:
    return load(REPOSITORY / "params.yaml")


def test_the_default_is_the_sample(params: Params) -> None:
    assert params.datasets == ["sample"]
    assert params.profiles["sample"].weights == "none"


def test_the_paper_recipe_is_what_cityscapes_gets(params: Params) -> None:
    train = params.settings("cityscapes", "base").train
    assert (train.epochs, train.batch_size, train.crop) == (200, 14, (1024, 1024))
    assert (train.base_lr, train.decoder_lr_factor, train.poly_power) == (0.005, 10, 0.9)
    assert (train.loss.ohem_threshold, train.loss.ohem_min_kept) == (0.7, 100_000)
    assert (train.loss.boundary_weight, train.loss.attention_weight) == (0.3, 0.1)


def test_sizes_on_cityscapes_are_the_official_ones(params: Params) -> None:
    """Input, crop and window of each size experiment, and the fixed long side of the sliding protocols."""
    sizes = {}
    for name in params.experiments:
        settings = params.settings("cityscapes", name)
        if name == "base" or name.startswith(("size_", "crop_")):
            train, evaluate = settings.train, settings.evaluate
            assert train.input_size == evaluate.input_size
            sizes[name] = (train.input_size, train.crop_size, evaluate.window_size, evaluate.base_size)
    assert sizes == {
        "base": ((1024, 2048), (1024, 1024), (1024, 1024), 2048),
        "crop_full": ((1024, 2048), (1024, 2048), (1024, 1024), 2048),
        "size_512x1024": ((512, 1024), (512, 1024), (512, 1024), 2048),
        "size_768x1536": ((768, 1536), (768, 1536), (768, 1536), 2048),
        "size_1024x1024": ((1024, 1024), (1024, 1024), (1024, 1024), 2048),
        "size_1024x2048": ((1024, 2048), (1024, 2048), (1024, 2048), 2048),
    }


def test_an_experiment_wins_over_the_profile_and_the_profile_over_the_base(tmp_path: Path, params: Params) -> None:
    path = changed(tmp_path, "experiments", "base", "train", value={"epochs": 3, "loss": {"boundary_weight": 0.5}})
    before, after = params.settings("sample", "base"), load(path).settings("sample", "base")
    assert (after.train.epochs, after.train.batch_size) == (3, before.train.batch_size)
    assert after.train.loss.boundary_weight == 0.5
    assert after.train.loss.ohem_min_kept == before.train.loss.ohem_min_kept
    assert after != before
    assert (after.network, after.evaluate) == (before.network, before.evaluate)


def test_another_network_does_not_get_the_options_of_the_base(tmp_path: Path) -> None:
    path = changed(tmp_path, "experiments", "base", "network", value={"name": "mfaranet_pruned"})
    assert load(path).settings("sample", "base").network.options == {}
    check_networks(load(path).networks())
    path = changed(tmp_path, "experiments", "base", "network", value={"name": "mfaranet", "options": {"branches": [2]}})
    assert load(path).settings("sample", "base").network.options["backbone"] == "resnet18"


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("trian",), {}, r"trian: unknown key"),
        (("train", "epoch"), 3, r"train\.epoch: unknown key"),
        (("profiles", "sample", "train", "bach_size"), 3, r"profiles\.sample\.train\.bach_size: unknown key"),
        (("profiles", "sample", "data", "seeed"), 3, r"profiles\.sample\.data\.seeed: unknown key"),
        (
            ("experiments", "base", "train"),
            {"loss": {"name": "dice"}},
            r"experiments\.base\.train\.loss\.name: .*'dice'",
        ),
        (("experiments", "base", "evaluation"), {}, r"experiments\.base\.evaluation: unknown key"),
        (("experiments", "base", "network"), {"name": "mfranet"}, r"experiments\.base\.network: no network is called"),
        (("network", "options", "backbone"), "resnet19", r"unknown backbone 'resnet19'"),
        (("network", "options", "branch"), 2, r"mfaranet has no option 'branch'"),
        (("train", "epochs"), "200", r"train\.epochs: .*integer.*'200'"),
        (("train", "base_lr"), -1.0, r"train\.base_lr: .*greater than 0"),
        (("train", "augmentation", "scale"), [2.0, 0.5], r"train\.augmentation: .*smallest"),
        (("profiles", "sample", "train", "size"), [128], r"profiles\.sample\.train\.size"),
        (("evaluate", "pictures"), 0, r"evaluate\.pictures: .*greater than 0"),
        (("evaluate", "protocols"), ["half_image"], r"evaluate\.protocols\.0: .*'half_image'"),
        (("datasets",), ["samples"], r"profiles has no 'samples'"),
        (("datasets",), [], r"datasets: "),
        (("datasets",), ["sample", "sample"], r"datasets: the same name"),
        (("selected_experiments",), ["bas"], r"experiments has no 'bas'"),
        (("pruned_experiments",), ["trainval"], r"experiments has no 'trainval_pruned'"),
        (("pruned_experiments",), ["branch_1"], r"experiments has no 'branch_1_pruned'"),
        (("submissions",), ["trainval"], r"submissions: 'trainval' is not among selected_experiments"),
        (("profiles", "sample", "train", "crop"), "whole", r"profiles\.sample\.train\.crop"),
        (("evaluate", "input_factors"), [0.0, 1.0], r"evaluate\.input_factors\.0: .*greater than 0"),
        (("tables", "overall", "experiments"), ["bas"], r"tables\.overall\.experiments: no experiment is called 'bas'"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(tmp_path: Path, keys: tuple[str, ...], value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_networks(load(changed(tmp_path, *keys, value=value)).networks())


def test_a_missing_or_broken_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("datasets: [sample\n")
    with pytest.raises(InputError, match="not valid YAML"):
        load(tmp_path / "params.yaml")


def test_seeds_are_those_of_the_name_that_differ_in_nothing_else(tmp_path: Path, params: Params) -> None:
    assert params.seeds["base"] == ["base", "base_seed_1"]
    assert params.seeds["base_seed_1"] == ["base_seed_1"]
    assert set(params.seeds) == set(params.measured_experiments)
    path = changed(tmp_path, "experiments", "base", "train", value={"epochs": 3})
    assert load(path).seeds["base"] == ["base"]
    # base is evaluated by more protocols than its repetition, and that is all that may differ there.
    path = changed(tmp_path, "experiments", "base_seed_1", "evaluate", value={"checkpoint": "best"})
    assert load(path).seeds["base"] == ["base"]


def test_a_measurement_of_speed_is_what_the_profile_makes_of_it(tmp_path: Path, params: Params) -> None:
    assert params.measurement("cityscapes", "strict").sizes[-1] == (1024, 2048)
    assert params.measurement("sample", "strict").sizes == [(64, 128), (64, 64)]
    assert params.measurement("sample", "strict").repeats != params.measurement("cityscapes", "strict").repeats
    assert params.measurement("sample", "strict").experiments == params.measurement("cityscapes", "strict").experiments
    for keys, value, message in (
        (("latency", "strict", "repeats"), 0, r"latency\.strict\.repeats: .* greater than 0"),
        (
            ("profiles", "sample", "latency"),
            {"strict": {"second": 1.0}},
            r"profiles\.sample\.latency\.strict\.second: unknown",
        ),
        (("profiles", "sample", "latency"), {"swift": {}}, "latency has no 'swift'"),
        (
            ("latency", "strict", "experiments"),
            ["bass"],
            r"latency\.strict\.experiments: no experiment is called 'bass'",
        ),
        (("figures", "experiments"), ["bass"], r"figures\.experiments: no experiment is called 'bass'"),
        (("latencies",), ["swift"], "latency has no 'swift'"),
        (("tables", "latency", "latency"), None, "a table of the kind latency needs a measurement"),
        (("tables", "overall", "protocols"), [], "a table of the kind overall needs protocols"),
    ):
        with pytest.raises(InputError, match=message):
            load(changed(tmp_path, *keys, value=value))
