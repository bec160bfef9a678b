"""In a real notebook, whose kernel runs an event loop of its own: plain calls work and bars are drawn in place."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.graph.workplace import ROOT

CELLS = [
    "from rlhf import SyntheticFeedbackGenerator\n"
    "generator = SyntheticFeedbackGenerator('budgeting')\n"
    "rows = [{'prompt': 'Split $100.', 'output': f'Step {n}: spend it.'} for n in range(3)]\n"
    "len(generator.generate_batch(rows, progress=True))",
    "feedback = await generator.agenerate_feedback('Split $100.', 'Step 1: spend it.')\n"
    "generator.close()\n"
    "feedback.overall_rating in range(1, 6)",
]

RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(source) for source in json.load(sys.stdin)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(json.dumps([[dict(output) for output in cell.outputs] for cell in notebook.cells]))
"""


def test_a_notebook_judges_and_shows_how_far_it_is(recipe: Path, workplace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(CELLS),
        env={**os.environ, "PYTHONPATH": str(ROOT), "RLHF_RECIPE": str(recipe), "IPYTHONDIR": str(workplace)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    batch, single = json.loads(done.stdout.splitlines()[-1])
    [bars] = [output for output in batch if output["output_type"] == "display_data"]
    assert '<progress value="3" max="3"></progress>' in bars["data"]["text/html"], "updated in place"
    results = [
        output["data"]["text/plain"]
        for output in (*batch, *single)
        if output["output_type"] == "execute_result"
    ]
    assert results == ["3", "True"]
