"""params.yaml: what is refused, and how the layers are merged."""

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

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
    assert params.run.datasets == ["sample"]
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
            sizes[name] = (train.input_size.shown, train.crop_size, evaluate.window_size, evaluate.base_size)
    assert sizes == {
        "base": ((1024, 2048), (1024, 1024), (1024, 1024), 2048),
        "crop_full": ((1024, 2048), (1024, 2048), (1024, 1024), 2048),
        "size_512x1024": ((512, 1024), (512, 1024), (512, 1024), 2048),
        "size_768x1536": ((768, 1536), (768, 1536), (768, 1536), 2048),
        "size_1024x1024": ((1024, 1024), (1024, 1024), (1024, 1024), 2048),
        "size_1024x2048": ((1024, 2048), (1024, 2048), (1024, 2048), 2048),
    }


def test_recipes_of_authors_on_cityscapes(params: Params) -> None:
    """Their networks are those of the paper's recipe, and each crop has the size that they say."""
    crops = {}
    for name in params.groups["recipes"]:
        settings = params.settings("cityscapes", name)
        if name.endswith("_own"):
            assert settings.network == params.settings("cityscapes", name.removesuffix("_own")).network
            crops[name.removesuffix("_own")] = settings.train.crop_size
    assert crops == {
        "enet": (512, 1024),
        "erfnet": (512, 1024),
        "cgnet": (680, 680),
        "swiftnet_18": (768, 768),
        "pspnet": (713, 713),
        "sgcpnet2": (1024, 1024),
        "stdc2_seg75": (512, 1024),
        "bisenet_v1": (1024, 1024),
        "shelfnet_18": (1024, 1024),
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
    path = changed(tmp_path, "experiments", "base", "network", value={"branches": [2]})
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
        (("network", "backbone"), "resnet19", r"unknown backbone 'resnet19'"),
        (("network", "branch"), 2, r"mfaranet has no option 'branch'"),
        (("train", "epochs"), "200", r"train\.epochs: .*integer.*'200'"),
        (("train", "base_lr"), -1.0, r"train\.base_lr: .*greater than 0"),
        (("train", "warmup"), 1.0, r"train\.warmup: .*less than 1"),
        (("train", "loss", "ohem_min_kept"), 1.5, r"train\.loss\.ohem_min_kept"),
        (
            ("experiments", "bisenet_v1_own", "train", "loss", "class_weights"),
            1.1,
            r"bisenet_v1_own\.train\.loss: .*null",
        ),
        (("train", "augmentation", "scale"), [2.0, 0.5], r"train\.augmentation: .*smallest"),
        (("profiles", "sample", "train", "size"), [128], r"profiles\.sample\.train\.size"),
        (("evaluate", "pictures"), 0, r"evaluate\.pictures: .*greater than 0"),
        (("evaluate", "protocols"), ["half_image"], r"evaluate\.protocols\.0: .*'half_image'"),
        (("run", "datasets"), ["samples"], r"profiles has no 'samples'"),
        (("run", "datasets"), [], r"run\.datasets: "),
        (("run", "datasets"), ["sample", "sample"], r"run\.datasets: the same name"),
        (("run", "experiments"), ["bas"], r"experiments has no 'bas'"),
        (("run", "pruned"), ["trainval"], r"experiments has no 'trainval_pruned'"),
        (("run", "pruned"), ["branch_1"], r"experiments has no 'branch_1_pruned'"),
        (("run", "submissions"), ["trainval"], r"run\.submissions: 'trainval' is not among run\.experiments"),
        (("run", "experiments"), ["networks"], r"run\.experiments: networks is a group"),
        (("groups", "networks"), ["bas"], r"groups\.networks: no experiment is called 'bas'"),
        (("groups", "base"), ["enet"], r"groups\.base: an experiment is called so too"),
        (("other_networks", "train"), {"epoch": 3}, r"other_networks\.train\.epoch: unknown key"),
        (("shown", "measurement"), "swift", r"measurements has no 'swift'"),
        (("tables", "overall", "kind"), "all", r"tables\.overall\.kind has no 'all'; it has: overall, per_class"),
        (("tables", "complexity", "experiments"), ["base"], r"tables\.complexity\.experiments: unknown key"),
        (("tables", "overall", "protocols"), [], r"tables\.overall\.protocols: .*at least 1"),
        (("profiles", "sample", "train", "crop"), "whole", r"profiles\.sample\.train\.crop"),
        (("evaluate", "input_factors"), [0.0, 1.0], r"evaluate\.input_factors\.0: .*greater than 0"),
        (("tables", "overall", "experiments"), ["bas"], r"tables\.overall\.experiments: no experiment is called 'bas'"),
        (("weights", "stdc1", "networks"), ["stdc"], r"weights\.stdc1\.networks: no network is called 'stdc'"),
        (("weights", "stdc1", "networks"), ["icnet"], r"weights\.stdc1\.networks: icnet starts from resnet50"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(tmp_path: Path, keys: tuple[str, ...], value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_networks(load(changed(tmp_path, *keys, value=value)).networks())


@pytest.mark.parametrize("group", ["ablations", "networks", "recipes"])
def test_a_group_can_be_selected_by_its_name(group: str, tmp_path: Path, params: Params) -> None:
    """With all else as it is."""
    path = changed(tmp_path, "run", "experiments", value=params.groups[group])
    assert load(path).run.experiments == params.groups[group]


def test_a_split_without_labels_is_refused_before_a_training(tmp_path: Path) -> None:
    """And one with labels is not."""
    path = changed(tmp_path, "run", "experiments", value=["base", "trainval_test"])
    with pytest.raises(
        InputError, match=r"trainval_test\.evaluate\.split: the test split of sample has no labels here"
    ):
        load(path)
    content = yaml.safe_load(path.read_text())
    content["run"]["datasets"] = ["camvid", "camvid_original"]
    path.write_text(yaml.safe_dump(content))
    assert load(path).settings("camvid", "trainval_test").evaluate.split == "test"


def test_a_missing_or_broken_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("datasets: [sample\n")
    with pytest.raises(InputError, match="not valid YAML"):
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run: {}\nrun: {}\n", "a key stands there twice"),
        ("a: &a [x, *a]\n", "or one in itself"),
        (
            "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else 'x'] * 10)}]\n" for n in range(9)),
            "1000000 values",
        ),
        ("[" * 100_000, "more than 100 levels"),
        ("a: 2020-13-45\n", "month must be in 1..12"),
        ("a: !!timestamp x\n", "is not valid YAML"),
    ],
)
def test_yaml_that_no_settings_are_is_refused_at_once(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "params.yaml")


def test_yaml_values_that_settings_have_not(tmp_path: Path) -> None:
    """Anchors are taken."""
    path = changed(tmp_path, "train", "seed", value="VALUE")
    text = path.read_text()
    for value, message in (
        ("2020-01-01", r"datetime\.date\(2020, 1, 1\) is a date to YAML; put it in quotes"),
        ("!!binary aGVsbG8=", "is a bytes to YAML"),
        (".nan", r"train\.seed: Input should be"),
        ("0x" + "f" * 6000, "Exceeds the limit"),
        ("x" * 100_000, r"\(got 'x+\.\.\.x+'\)"),
    ):
        path.write_text(text.replace("VALUE", value))
        with pytest.raises(InputError, match=message) as refused:
            load(path)
        assert len(str(refused.value)) < 200 * len(str(refused.value).splitlines())
    path.write_text(
        text.replace("seed: VALUE", "seed: &seed 7").replace("validate_every: 1\n", "validate_every: *seed\n")
    )
    assert load(path).train["validate_every"] == 7


def test_seeds_are_those_of_the_name_that_differ_in_nothing_else(tmp_path: Path, params: Params) -> None:
    assert params.seeds("base") == ["base", "base_seed_1", "base_seed_2"]
    assert params.seeds("base_seed_1") == ["base_seed_1"]
    path = changed(tmp_path, "experiments", "base", "train", value={"epochs": 3})
    assert load(path).seeds("base") == ["base"]
    # base is evaluated by more protocols than its repetitions, and that is all that may differ there.
    path = changed(tmp_path, "experiments", "base_seed_1", "evaluate", value={"checkpoint": "best"})
    assert load(path).seeds("base") == ["base", "base_seed_2"]


def test_a_measurement_of_speed_is_base_and_differences(tmp_path: Path, params: Params) -> None:
    assert params.measurement("cityscapes", "strict").sizes[-1] == (1024, 2048)
    assert params.measurement("cityscapes", "paper").protocol == "paper"
    assert params.measurement("sample", "strict").sizes == [(64, 128), (64, 64)]
    assert params.measurement("sample", "strict").repeats != params.measurement("cityscapes", "strict").repeats
    assert params.measurement("sample", "strict").experiments == params.groups["variants"]
    assert params.measurement("sample", "comparison").experiments == [*params.groups["networks"], "base_pruned"]
    for keys, value, message in (
        (("latency", "repeats"), 0, r"latency\.repeats: .* greater than 0"),
        (("measurements", "strict", "repeats"), 0, r"measurements\.strict\.repeats: .* greater than 0"),
        (
            ("profiles", "camvid", "measurements"),
            {"strict": {"second": 1.0}},
            r"profiles\.camvid\.measurements\.strict\.second: unknown",
        ),
        (("profiles", "sample", "measurements"), {"swift": {}}, "measurements has no 'swift'"),
        (
            ("measurements", "strict", "experiments"),
            ["bass"],
            r"measurements\.strict\.experiments: no experiment is called 'bass'",
        ),
        (("figures", "experiments"), ["bass"], r"figures\.experiments: no experiment is called 'bass'"),
        (("run", "measurements"), ["swift"], "measurements has no 'swift'"),
        (("tables", "latency"), {"kind": "latency", "title": "Speed"}, None),
        (("tables", "latency", "measurement"), "swift", "measurements has no 'swift'"),
    ):
        path = changed(tmp_path, *keys, value=value)
        if message is None:
            assert load(path).table("latency").model_dump()["measurement"] == params.shown.measurement
            continue
        with pytest.raises(InputError, match=message):
            load(path)


def test_a_table_shows_what_it_names_or_what_all_show(tmp_path: Path, params: Params) -> None:
    assert params.table("fusion").model_dump()["measurement"] == params.shown.measurement
    assert params.table("fusion").model_dump()["protocols"] == [params.shown.protocol]
    assert params.table("protocols").model_dump()["measurement"] is None
    path = changed(tmp_path, "tables", "fusion", "experiments", value=["base", "networks"])
    assert load(path).table("fusion").model_dump()["experiments"] == ["base", *params.groups["networks"][:-1]]


@pytest.mark.parametrize(
    "override", ["train.base_lr=0.01", "+experiments.dropout.train.epochs=4", "run.experiments=${groups.networks}"]
)
def test_dvc_changes_one_key_and_leaves_the_rest(tmp_path: Path, override: str) -> None:
    """As `dvc exp run -S`: the file is in the layout that DVC writes, comments and all."""
    path = tmp_path / "params.yaml"
    before = (REPOSITORY / "params.yaml").read_text()
    path.write_text(before)
    apply_overrides(path, [override])
    after = path.read_text()
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    changed_names = len(load(path).run.experiments) + len(load(REPOSITORY / "params.yaml").run.experiments)
    assert 1 <= len(lines) <= (changed_names if override.startswith("run.") else 3)
    assert load(path) != load(REPOSITORY / "params.yaml")
