"""The real graph under the real engine, on a copy of the repository with a tiny sample and a tiny CamVid."""

import hashlib
import json
import re
import shlex
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean, stdev
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml
from official import fill, make_input
from PIL import Image
from project import EVALUATE, REPOSITORY, TRAIN, Project, copy, figures, watch_imports
from test_official import released
from test_weights import classifier_state

import mfaranet
from mfaranet.files import sha256
from mfaranet.tables.cells import resolve
from mfaranet.weights.checkpoints import load_trained
from workflow.plan import AROUND

MEASURED = ["base", "base_pruned"]
EXPERIMENTS = [*MEASURED, "released_val", "released_val_pruned", "released_test"]
TABLES = ("overall", "per_class", "pruned", "complexity", "latency")
STAGES = {
    "check",
    "data",
    "decode",
    "weights",
    "train",
    "evaluate",
    "prune",
    "submission",
    "complexity",
    "latency",
    "summary",
    "tables",
    "figures",
    "report",
    "index",
}
# The stages that a new training reruns, itself and the plan included.
TRAINED = {
    "plan",
    "train@sample-base",
    "evaluate@sample-base",
    "prune@sample-base",
    "evaluate_pruned@sample-base",
    "submission@sample-base",
    "summary@sample",
    "figures@sample",
    "report@sample",
    "index",
    *(f"tables@sample-{name}" for name in ("overall", "per_class", "pruned")),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The pipeline run once."""
    project = copy(tmp_path_factory.mktemp("project"))
    watch_imports(project, project.root.with_name(f"{project.root.name}_imports"))
    sample = {"form": "sample", "size": [64, 128], "train": 6, "val": 3, "test": 1, "seed": 0}
    params = project.params()
    short = {"strict": {"device": "cpu", "sizes": [[64, 128], [64, 64]], "seconds": 0.03, "budget": 2.0}}
    profile = {"data": sample, "weights": "none", "train": TRAIN, "evaluate": EVALUATE, "measurements": short}
    project.change("profiles", "sample", value=profile)
    for name in params["profiles"].keys() - {"sample"}:
        project.change("profiles", name, "measurements", value=short)
    run = {**params["run"], "experiments": ["base"], "submissions": ["base"], "measurements": ["strict"]}
    project.change("run", value=run)
    project.change("groups", value={})
    project.change("measurements", value={"strict": {"experiments": MEASURED}})
    project.change("figures", value=figures(MEASURED))
    project.change("experiments", value={name: params["experiments"][name] for name in EXPERIMENTS})
    project.change("experiments", "base", value={})
    project.change("tables", value={name: params["tables"][name] for name in TABLES})
    project.change("profiles", "camvid", "train", value=TRAIN)
    project.change("profiles", "camvid", "evaluate", value=EVALUATE)
    project.start()
    assert project.repro() >= {"data@sample", "train@sample-base", "tables@sample-overall"}
    return project


def camvid_subset(folder: Path) -> Path:
    """A tiny set in the SegNet form that proves itself whole by its manifest."""
    numbers = np.random.default_rng(0)
    for split, count in {"train": 4, "val": 2, "test": 1}.items():
        stems = [f"0001TP_{split}{index}" for index in range(count)]
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        (folder / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
        for stem in stems:
            label = np.kron(numbers.integers(0, 12, (9, 12), dtype=np.uint8), np.ones((40, 40), dtype=np.uint8))
            Image.fromarray(label).save(folder / f"{split}annot" / f"{stem}.png")
            Image.fromarray(np.stack([label * 20] * 3, axis=2)).save(folder / split / f"{stem}.png")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def camvid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where a tiny CamVid is."""
    return {"MFARANET_CAMVID": str(camvid_subset(tmp_path_factory.mktemp("camvid")))}


def test_a_finished_run_is_clean_and_repeats_nothing(project: Project) -> None:
    assert "up to date" in project.run("dvc", "status")
    assert project.repro() == set()
    assert Image.open(project.root / "runs/sample/evaluate/base/pictures.png").width > 500
    assert project.run("git", "status", "--porcelain", "mfaranet", "workflow", "data", "runs") == ""


def test_every_module_of_a_stage_is_in_its_plan(project: Project) -> None:
    """Those that its process has loaded at its end, loader workers included."""
    seen = set()
    for path in project.root.with_name(f"{project.root.name}_imports").glob("*.json"):
        (script, *items), modules = json.loads(path.read_text())
        stage = Path(script).stem
        if Path(script).parent.name == "workflow" and stage in STAGES:
            dataset, *names = items or [""]
            planned = (project.root / Path("plan", dataset, stage, *names)).with_suffix(".yaml")
            assert set(modules) - {*content(planned)["code"], *AROUND} == set(), stage
            seen.add(stage)
    assert seen == STAGES


def test_every_cell_leads_to_its_value(project: Project) -> None:
    """Each cell of each table: to a value of an existing file, or to the values that it is worked out of."""
    tables = sorted((project.root / "results/sample/tables").glob("*.json"))
    assert {path.stem for path in tables} == set(TABLES)
    how: Counter[str] = Counter()
    for path in tables:
        for row in json.loads(path.read_text())["rows"]:
            for cell in row:
                if cell["origin"] is None:
                    assert cell["text"] in ("", "mean")
                elif "computed" in cell["origin"]:
                    sources = [stored(project, each) for each in cell["origin"]["from"]]
                    assert recomputed(cell["origin"]["computed"], sources, cell["value"])
                    how[cell["origin"]["computed"]] += 1
                else:
                    value = stored(project, cell["origin"])
                    assert value == cell["value"] or cell["value"] in value
                    how["commit" if "commit" in cell["origin"] else "defined"] += 1
    assert how["commit"] > 100
    assert set(how) == {"commit", "defined", "count", "verdict", "difference"}


def stored(project: Project, origin: dict[str, Any]) -> Any:
    """The value that an origin points to, in the unit of the table."""
    if "computed" in origin:
        return {"mean": fmean}[origin["computed"]]([stored(project, each) for each in origin["from"]])
    source = project.root / origin["file"]
    value = resolve(content(source), origin["pointer"], source)
    return value * origin["scale"] if "scale" in origin else value


@cache
def content(source: Path) -> Any:
    """A file of results or settings, read once for all cells."""
    return yaml.safe_load(source.read_text())


def recomputed(how: str, sources: list[Any], value: Any) -> bool:
    if how == "count":
        return bool(value == len(sources))
    if how in ("mean", "standard deviation"):
        return bool(value == pytest.approx((fmean if how == "mean" else stdev)(sources)))
    if how == "difference":
        return bool(value == sources[0] - sources[1])
    assert how == "verdict"
    if value.startswith("not comparable: "):
        return len(sources) == 2
    reproduced, published, tolerance = sources
    return bool(value == ("match" if abs(reproduced - published) <= tolerance else "differs"))


def test_trace_prints_the_origin(project: Project) -> None:
    said = project.run("mfaranet", "trace", "results/sample/tables/pruned.md", "MFARANet", "mIoU")
    miou = project.json("results/sample/evaluate/base/metrics.json")["full_image"]["miou"]
    for part in ("file: results/sample/evaluate/base/metrics.json", "/full_image/miou", f"value: {100 * miou}"):
        assert part in said
    said = project.run("mfaranet", "trace", "results/sample/tables/pruned.md", "ENet", "mIoU", status=1)
    assert "has no row 'ENet'" in said
    assert "Traceback" not in said


FIGURES = {"ablations", "accuracy_speed", "accuracy_gflops", "classes", "confusion", "curves", "networks"}


def test_figures_are_drawn(project: Project) -> None:
    folders = [project.root / "results/sample/figures", project.root / "runs/sample/figures"]
    drawn = {path.stem: Image.open(path) for folder in folders for path in folder.iterdir()}
    assert set(drawn) == {*FIGURES, "pictures"}
    assert all(figure.width > 500 and len(figure.convert("L").getcolors()) > 20 for figure in drawn.values())  # type: ignore[arg-type]
    assert {path.name for path in (project.root / "results/sample/figures-pdf").iterdir()} == {
        f"{name}.pdf" for name in FIGURES
    }


def test_both_engines_show_the_same_figures(project: Project) -> None:
    """Snakemake's report is made without a network."""
    project.run(
        "snakemake", "--report", "report.zip", https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9"
    )
    with ZipFile(project.root / "report.zip") as report:
        files = {Path(name).name for name in report.namelist() if "/data/raw/" in name}
    assert files == {*(f"{name}.png" for name in (*FIGURES, "pictures")), "loss.csv", "miou.csv", "learning_rate.csv"}
    assert plots(project, "show") == len(files)
    page = (project.root / "dvc_plots/index.html").read_text()
    assert all(name in page for name in files)


def test_the_pruned_network_is_that_of_one_scale(project: Project) -> None:
    table = project.json("results/sample/tables/pruned.json")
    rows = {(row[0]["value"], row[4]["value"]): row for row in table["rows"]}
    params = table["columns"].index("Params (M)")
    assert rows["base", "full_image"][params]["value"] == pytest.approx(12.996748)
    assert rows["base_pruned", "full_image"][params]["value"] == pytest.approx(12.208595)
    assert all(rows[key][table["columns"].index("FPS")]["value"] > 0 for key in rows if key[0].startswith("base"))
    full, _ = load_trained(project.root / "runs/sample/train/base/last.safetensors")
    pruned, facts = load_trained(project.root / "runs/sample/train/base_pruned/last.safetensors")
    assert (facts["network"], facts["epoch"]) == ("mfaranet_pruned", 2)
    image = make_input(64, 128, 0).float()
    with torch.inference_mode():
        assert torch.equal(pruned(image), mfaranet.prune(full)(image))


def test_a_cell_names_the_run(project: Project) -> None:
    head = project.run("git", "rev-parse", "HEAD").strip()
    table = project.json("results/sample/tables/overall.json")
    cell = table["rows"][0][table["columns"].index("mIoU (%)")]
    assert cell["value"] == 100 * project.json("results/sample/evaluate/base/metrics.json")["full_image"]["miou"]
    origin = cell["origin"]
    assert (origin["stage"], origin["commit"], origin["modified"]) == ("evaluate@sample-base", head, False)
    assert (origin["dataset"], origin["weights"]) == ("drawn sample 6/3/1 at 64x128", "none")
    printed = project.run(
        sys.executable,
        "-c",
        "from workflow.planned import Planned; print(Planned.read('evaluate', 'sample', 'base').digest())",
    )
    assert origin["params_sha256"] == printed.strip()


def test_published_values_are_not_compared_with_other_data(project: Project) -> None:
    table = project.json("results/sample/tables/overall.json")
    rows = [dict(zip(table["columns"], [cell["text"] for cell in row], strict=True)) for row in table["rows"][:-1]]
    assert {row["Verdict"] for row in rows} == {"not comparable: published on cityscapes"}
    assert {row["Difference (points)"] for row in rows} == {""}
    assert "no mIoU here can be compared with a published one" in " ".join(table["notes"])
    # What does not depend on data is compared.
    table = project.json("results/sample/tables/complexity.json")
    verdicts = [row[-1]["text"] for row in table["rows"] if row[0]["text"] == "base"]
    assert verdicts == ["match"] * 4


def test_the_official_evaluator_agrees(project: Project) -> None:
    """cityscapesScripts on the label-id PNGs gives the same mIoU and IoU."""
    report = project.root / "official"
    report.mkdir()
    project.run(
        "csEvalPixelLevelSemanticLabeling",
        CITYSCAPES_DATASET=str(project.root / "data/sample/cityscapes"),
        CITYSCAPES_RESULTS=str(project.root / "runs/sample/evaluate/base/single_scale"),
        CITYSCAPES_EXPORT_DIR=str(report),
    )
    official = json.loads(next(report.glob("*.json")).read_text())
    ours = project.json("results/sample/evaluate/base/metrics.json")["single_scale"]
    assert ours["miou"] == pytest.approx(official["averageScoreClasses"], abs=1e-6)
    for name, value in ours["iou"].items():
        assert (float("nan") if value is None else value) == pytest.approx(
            official["classScores"][name], abs=1e-6, nan_ok=True
        )


def test_dvc_shows_what_people_compare(project: Project) -> None:
    """A row an experiment; a dozen plots at most, of any number of experiments."""
    heading, *rows = project.run("dvc", "metrics", "show").splitlines()
    assert heading.split() == ["Path", "fps", "gflops", *METRICS[:2], "params", *METRICS[2:]]
    assert [row.split()[0] for row in rows] == [f"results/sample/metrics/{name}.json" for name in MEASURED]
    assert plots(project, "show") <= 12


METRICS = [f"{score}.{protocol}" for score in ("miou", "pixel_accuracy") for protocol in ("full_image", "single_scale")]


def plots(project: Project, *command: str) -> int:
    """How many plots a command of DVC draws; images of several revisions count once."""
    page = project.root / "dvc_plots/index.html"
    page.unlink(missing_ok=True)
    project.run("dvc", "plots", *command)
    drawn = page.read_text()
    images = {re.sub(r".*?_(results|runs)_", "", name) for name in re.findall(r'src="([^"]+\.png)"', drawn)}
    return drawn.count("vegaEmbed(") + len(images)


def test_what_would_run_is_said_before(project: Project) -> None:
    def said() -> str:
        return project.run(sys.executable, "-m", "workflow.changes")

    train = project.params()["profiles"]["sample"]["train"]
    assert "nothing would run" in said()
    project.change("profiles", "sample", "train", value={**train, "epochs": 3})
    assert "train@sample-base\n  train.epochs: 2 -> 3\nevaluate@sample-base\n  after train@sample-base\n" in said()
    project.change("profiles", "sample", "train", value=train)
    assert "nothing would run" in said()


def test_a_table_definition_reruns_that_table_alone(project: Project) -> None:
    project.change("tables", "overall", "title", value="Another title")
    assert project.repro("tables") == {"plan", "tables@sample-overall"}
    assert "# Another title" in (project.root / "results/sample/tables/overall.md").read_text()
    assert project.repro() == {"report@sample"}
    assert "<h3>Another title</h3>" in (project.root / "results/sample/report.html").read_text()


def test_another_data_set_leaves_the_first_alone(project: Project, camvid: dict[str, str]) -> None:
    before = project.digests("results/sample")
    project.change("run", "datasets", value=["camvid"])
    table = "tables@camvid-per_class"  # the others have measurements too; see the test below
    ran = project.repro(table, **camvid)
    assert ran >= {"data@camvid", "train@camvid-base", table}
    assert not any("sample" in stage for stage in ran)
    assert "CamVid subset 4/2/1" in (project.root / "results/camvid/tables/per_class.md").read_text()
    assert project.digests("results/sample") == before
    project.change("run", "datasets", value=["sample", "camvid"])
    assert project.repro(table, *(f"tables@sample-{name}" for name in TABLES)) == {"plan"}
    project.change("run", "datasets", value=["sample"])


@pytest.mark.night
def test_all_of_another_data_set(project: Project, camvid: dict[str, str]) -> None:
    project.change("run", "datasets", value=["camvid"])
    assert project.repro(**camvid) >= {"submission@camvid-base", "tables@camvid-latency", "report@camvid"}
    project.change("run", "datasets", value=["sample", "camvid"])
    assert project.repro() == {"plan"}
    assert "up to date" in project.run("dvc", "status")
    project.change("run", "datasets", value=["sample"])


def test_a_changed_experiment_shows_in_every_diff(project: Project) -> None:
    """One training parameter, changed on the command line: what is below it runs, and DVC shows what came of it."""
    project.commit("before")
    said = project.run("dvc", "exp", "run", "-S", "profiles.sample.train.epochs=1")
    assert set(re.findall(r"Running stage '([^']+)'", said)) == TRAINED
    assert project.params()["profiles"]["sample"]["train"]["epochs"] == 1
    project.commit("after")
    between = ("HEAD~1", "HEAD")
    changes = json.loads(project.run("dvc", "params", "diff", "--json", *between))
    assert changes["params.yaml"]["profiles.sample.train.epochs"] == {"old": 2, "new": 1, "diff": -1}
    assert len(project.run("dvc", "params", "diff", *between).splitlines()) == 2
    said = project.run("dvc", "metrics", "diff", *between).splitlines()
    assert 2 <= len(said) <= 12
    assert not any(name in " ".join(said) for name in ("params", "gflops", "fps"))
    assert plots(project, "diff", *between) <= 12
    page = (project.root / "dvc_plots/index.html").read_text()
    curve = next(spec for spec in re.findall(r"var spec = (.*?);\n", page) if "curves/loss.csv" in spec)
    assert {point["rev"] for point in json.loads(curve)["data"]["values"]} == {"HEAD~1", "HEAD"}
    project.run("mfaranet", "report", "sample", "--against", "HEAD~1", "--output", "dvc_plots/difference.html")
    page = (project.root / "dvc_plots/difference.html").read_text()
    assert '<th scope="row">params.yaml: profiles.sample.train.epochs</th><td>2</td><td>1</td>' in page
    assert "base at HEAD~1, epoch 2: loss of the output" in page
    assert page.count('alt="before of') == page.count('alt="now of') == project.params()["figures"]["pictures"]
    (command,) = re.findall(r"^(dvc exp show .*)$", (REPOSITORY / "docs/running.md").read_text(), re.MULTILINE)
    said = project.run(*shlex.split(command), "-n", "2", COLUMNS="120")
    assert max(map(len, said.splitlines())) <= 120
    headers = next(line for line in said.splitlines() if "Experiment" in line).split()
    score = "results/sample/metrics/base.json:miou.full_image"
    assert headers == ["Experiment", score, "profiles.sample.train.epochs"]


def test_weights_of_others_reach_the_table(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An encoder trained on ImageNet for one experiment, and a network of the authors instead of a training."""
    folder = tmp_path_factory.mktemp("weights")  # later tests train from them too
    torch.save(classifier_state(), folder / "resnet18.pth")
    project.change("weights", "resnet18", "path", value=str(folder / "resnet18.pth"))
    project.change("profiles", "sample", "weights", value="imagenet")
    state = {f"module.{key}": tensor for key, tensor in released().items()}
    loss_buffer = "module.criterion.seg_loss.nll_loss.weight"
    torch.save({"epoch": 200, "state_dict": {**state, loss_buffer: torch.ones(19)}}, folder / "authors.pth")
    file = {"url": None, "sha256": sha256(folder / "authors.pth"), "path": str(folder / "authors.pth")}
    project.change("experiments", "released_val", "train", "released", value=file)
    project.change("run", "experiments", value=["base", "released_val"])
    ran = project.repro("tables@sample-overall")
    assert ran >= {
        "weights@sample",
        *(f"{stage}@sample-{name}" for stage in ("train", "evaluate") for name in ("base", "released_val")),
    }
    assert not any(stage.startswith(("data", "decode", "latency")) for stage in ran)

    used = project.json("results/sample/evaluate/base/run.json")["weights"]
    assert used["sha256"] == sha256(folder / "resnet18.pth")
    run = project.json("results/sample/evaluate/released_val/run.json")
    assert run["checkpoint"] == {"name": "last", "epoch": 200}
    assert run["weights"]["released"]["sha256"] == file["sha256"]
    assert run["weights"]["released"]["left_out"] == ["criterion.seg_loss.nll_loss.weight"]
    table = project.json("results/sample/tables/overall.json")
    assert [row[table["columns"].index("Weights")]["text"] for row in table["rows"][::2]][:2] == [
        "ImageNet",
        "the authors'",
    ]
    assert "without ImageNet weights" not in " ".join(table["notes"])
    stored, _ = load_trained(project.root / "runs/sample/train/released_val/last.safetensors")
    image = make_input(64, 128, 0).float()
    with torch.inference_mode():
        assert torch.equal(stored(image), fill(mfaranet.get_model("mfaranet")).eval()(image))


def delete(folder: Path) -> None:
    (folder / "train/0001TP_train0.png").unlink()


def truncate(folder: Path) -> None:
    path = folder / "val/0001TP_val1.png"
    path.write_bytes(path.read_bytes()[:-100])


def mislabel(folder: Path) -> None:
    Image.fromarray(np.full((360, 480), 77, dtype=np.uint8)).save(folder / "testannot/0001TP_test0.png")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (delete, "train/0001TP_train0.png: listed in train.txt, but missing"),
        (truncate, "val/0001TP_val1.png: unreadable or truncated PNG"),
        (mislabel, "testannot/0001TP_test0.png: label id 77 at 172800 pixels: stands for no class"),
    ],
)
def test_a_spoilt_data_set_stops_its_stage(
    project: Project, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    before = project.digests("data")
    project.change("run", "datasets", value=["camvid"])
    project.run("dvc", "repro", "plan")
    project.change("run", "datasets", value=["sample"])
    spoil(camvid_subset(tmp_path))
    said = project.run(sys.executable, "-m", "workflow.data", "camvid", status=1, MFARANET_CAMVID=str(tmp_path))
    assert message in said
    assert "Traceback" not in said
    assert project.digests("data") == before


@pytest.fixture
def archive_url(tmp_path: Path) -> Iterator[str]:
    """A CamVid archive on a web server."""
    shutil.make_archive(str(tmp_path / "camvid"), "zip", camvid_subset(tmp_path / "camvid"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/camvid.zip"
        server.shutdown()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("train", "epoch"), 1, "error: params.yaml: train.epoch: unknown key"),
        (
            ("profiles", "camvid", "data", "sha256"),
            "0" * 64,
            f"does not match the known hash: expected sha256:{'0' * 64}",
        ),
    ],
)
def test_a_wrong_setting_stops_the_graph(
    project: Project, tmp_path: Path, archive_url: str, keys: tuple[str, ...], value: Any, message: str
) -> None:
    untouched = (project.root / "params.yaml").read_text()
    try:
        project.change("run", "datasets", value=["camvid"])
        project.change("profiles", "camvid", "data", "url", value=archive_url)
        project.change(*keys, value=value)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password opensesame")
        own = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "NETRC": str(tmp_path / "netrc")}
        said = project.run("dvc", "repro", "-f", "data", status=255, **own)
    finally:
        (project.root / "params.yaml").write_text(untouched)
    assert message in said
    assert "Traceback" not in said
    assert "opensesame" not in said
    assert project.holds("opensesame") == []


def test_the_command_line(project: Project) -> None:
    listed = json.loads(project.run("mfaranet", "models", "--json"))
    assert [each["name"] for each in listed] == mfaranet.list_models()
    assert "form: sample" in project.run("mfaranet", "params", "sample")
    assert "data@sample" in project.run("mfaranet", "doctor")
    photographs = sorted(str(path) for path in (project.root / "data/sample/images/val").glob("*.png"))
    project.run("mfaranet", "predict", "sample/base", *photographs, "--output", "segmented")
    written = sorted((project.root / "segmented").glob("*.png"))
    assert [path.name for path in written] == sorted([*(Path(path).name for path in photographs), "legend.png"])
    assert Image.open(project.root / "segmented" / Path(photographs[0]).name).size == (128, 64)
    said = project.run("mfaranet", "predict", "sample/base", *photographs, "--output", "segmented", status=1)
    assert f"error: nothing is written, {len(photographs)} files are in the way" in said
    project.run("mfaranet", "predict", "sample/base", "data/sample/images/val", "--output", "segmented", "--force")
    said = project.run("mfaranet", "predict", "sample/base", "params.yaml", "--output", "segmented", status=1)
    assert "error: params.yaml is no readable image" in said
    assert "Traceback" not in said
