"""`rlhf datasets`: the preference datasets there are, how they were selected, and what they were trained into."""

import typer

from rlhf.cli.app import app
from rlhf.cli.common import JsonOption, RecipeOption, print_json


@app.command()
def datasets(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """List preference datasets and the adapters trained on them."""
    from rlhf.datasets import list_datasets
    from rlhf.state.recipe import choose_recipe

    pipeline = choose_recipe(recipe).settings.pipeline
    found = list_datasets(pipeline.dataset_dir, pipeline.output_dir)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        typer.echo(f"No datasets in {pipeline.dataset_dir} yet. `rlhf run PROMPTS` makes one.")
    for each in found:
        created = each.created_at[:16].replace("T", " ")
        rules = f"margin ≥ {each.selection['min_margin']:g}"
        if each.selection["selection"] == "threshold":
            chosen, rejected = (
                each.acceptance["min_rating_chosen"],
                each.acceptance["max_rating_rejected"],
            )
            rules = f"rating ≥ {chosen} against ≤ {rejected}"
        trained = f"→ {', '.join(each.trained_into)}" if each.trained_into else "not deployed"
        typer.echo(f"{each.name:<24} {each.num_examples:>5} pairs  {created}  {rules}  {trained}")
        typer.echo(f"{'':<24} {each.path}")
