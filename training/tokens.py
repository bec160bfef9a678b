"""Counting tokens without loading a model: the base model's tokenizer file is enough."""

from collections.abc import Callable
from pathlib import Path

from rlhf.state.errors import DatasetError

TEMPLATE_TOKENS = 32
"""Allowance for the chat template around a prompt and a response."""
TURN_TOKENS = 8
"""Allowance for what it puts around each turn of a conversation."""


def token_counter(model: Path) -> Callable[[str], int]:
    """A function that counts the tokens of a text as `model` reads it.

    Raises DatasetError if the model folder has no tokenizer.json.
    """
    from tokenizers import Tokenizer

    file = model / "tokenizer.json"
    if not file.is_file():
        raise DatasetError(
            f"{model} has no tokenizer.json: training.base_model must be a whole model folder."
        )
    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
