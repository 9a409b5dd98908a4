"""The page of `dvc plots`, so that it shows its curves without a network: ``python -m workflow.plots``."""

import subprocess
import sys
from pathlib import Path

import vl_convert

from mfaranet.files import write_text

PAGE = Path(".dvc/tmp/plots.html")
TEMPLATE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
{{refresh_tag}}
<title>mfaranet</title>
<script>
{script}
</script>
<style>
body {{ font-family: sans-serif; }}
img {{ max-width: 100%; }}
</style>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def main() -> None:
    """Write a page that holds what draws curves, which DVC's own fetches, and have DVC use it in this folder."""
    write_text(PAGE, TEMPLATE.format(script=vl_convert.javascript_bundle()))
    config = ("config", "--local", "plots.html_template", str(PAGE.relative_to(".dvc")))
    subprocess.run([sys.executable, "-m", "dvc", *config], check=True)


if __name__ == "__main__":
    main()
