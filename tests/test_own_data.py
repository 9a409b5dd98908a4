"""From a folder of photographs to a network and its predictions, by the five commands of the documentation."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import test_folder
import yaml
from PIL import Image
from project import REPOSITORY, finished

SECTION = re.compile(r"## Your own data set\n.*?```bash\n(.*?)```", re.DOTALL)


def test_five_commands(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    project = finished(tmp_path_factory)
    (tmp_path / ".gitconfig").write_text("[user]\nname = test\nemail = test@example.invalid\n")
    project.change("measurements", "comparison", value={"experiments": ["base"]})
    test_folder.write(tmp_path / "streets", test_folder.as_colours)
    shutil.copy(tmp_path / "streets/images/val/x.jpeg", project.root / "photo.jpg")
    (found,) = SECTION.findall((REPOSITORY / "docs/datasets.md").read_text())
    look, *others = found.splitlines()
    assert len(others) == 4

    def run(line: str) -> str:
        # The copy's code, not what is installed.
        command = re.sub(r"^mfaranet ", f"{sys.executable} -m mfaranet ", line)
        return project.run("bash", "-c", command, HOME=str(tmp_path))

    before = (project.root / "params.yaml").read_text()
    said = run(look)
    assert "4 in train, 2 in val" in said
    params = (project.root / "params.yaml").read_text()
    assert params.startswith(before)
    named = (
        params.replace("name: class_1\n", "name: road\n")
        .replace("epochs: 100", "epochs: 2")
        .replace("workers: 2", "workers: 0")
    )
    (project.root / "params.yaml").write_text(named)
    profile = yaml.safe_load(named)["profiles"]["streets"]
    assert profile["data"]["labels"]["classes"][1]["name"] == "road"
    settings, ran, table, _ = map(run, others)
    assert "form: folder" in settings
    assert "data@streets" in ran
    assert "streets 4/2/0" in table
    assert "longer side 54" in table
    predicted = np.asarray(Image.open(project.root / "segmented/photo.png"))
    assert predicted.shape == (*test_folder.SIZES[5], 3)
    colours = {tuple(each["colour"]) for each in profile["data"]["labels"]["classes"]}
    assert set(map(tuple, predicted.reshape(-1, 3).tolist())) <= colours
    scores = project.json("results/streets/evaluate/base/metrics.json")["full_image"]
    assert set(scores["iou"]) == {"class_0", "road", "class_2", "class_3"}
