"""Write sbom.json, what is installed in .venv: names, versions, licences, dependencies, and the checksums of the lock.

``python .ci/sbom.py`` of the environment of the tools, in the root of the repository.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

OUTPUT = Path("sbom.json")


def main() -> None:
    """Of an environment cyclonedx-py knows the licences, of a lock the checksums; this is both."""
    bom = _made("environment", ".venv")
    locked = {_key(each): each["externalReferences"] for each in _made("requirements", "constraints.txt")["components"]}
    # The pip of the environment is Python's own, and not of the lock.
    bom["components"] = [each for each in bom["components"] if each["name"] != "pip"]
    bom["dependencies"] = [each for each in bom["dependencies"] if not each["ref"].startswith("pip==")]
    if foreign := [each["name"] for each in bom["components"] if _key(each) not in locked]:
        sys.exit(f"error: .venv has what constraints.txt has not: {', '.join(foreign)}; rm -rf .venv && make sbom")
    for component in bom["components"]:
        component["externalReferences"] = [*component.get("externalReferences", []), *locked[_key(component)]]
    text = json.dumps(bom, indent=2, sort_keys=True)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"error: what was made is no CycloneDX: {fault}")
    OUTPUT.write_text(text + "\n", encoding="utf-8")
    unnamed = [each["name"] for each in bom["components"] if not each.get("licenses")]
    print(f"{OUTPUT}: {len(bom['components'])} packages; {len(unnamed)} declare no licence: {', '.join(unnamed)}")


def _made(*what: str) -> Any:
    program = Path(sys.executable).with_name("cyclonedx-py")
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--spec-version", "1.6")
    made = subprocess.run([program, *what, *options], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(made.stdout)


def _key(component: Any) -> tuple[str, str]:
    return component["name"].lower().replace("_", "-").replace(".", "-"), component["version"]


if __name__ == "__main__":
    main()
