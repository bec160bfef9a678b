"""A model with its weights in memory: how it is loaded, on which device, and how it completes prompts in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhf.state.conversation import Asked, messages_of
from rlhf.state.errors import GenerationError, InputError


@dataclass(frozen=True)
class Loaded:
    """A causal language model ready to generate. `context`: most tokens, prompt and response together."""

    model: Any
    tokenizer: Any
    context: int

    def encode(self, asked: Asked) -> list[int]:
        """Token ids of what is asked as a chat, up to where the response begins."""
        ids: list[int] = self.tokenizer.apply_chat_template(
            messages_of(asked), add_generation_prompt=True, return_dict=False
        )
        return ids

    def complete(
        self,
        prompts: Sequence[list[int]],
        *,
        temperature: float,
        max_new_tokens: int,
        top_k: int,
        seed: int,
    ) -> list[dict[str, Any]]:
        """Complete one batch; the same batch with the same seed gives the same texts on the same machine.

        Per prompt: text, finish_reason ("stop" or "length"), input_tokens, output_tokens.
        """
        import torch

        torch.manual_seed(seed)
        batch = self.tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self.model.device)
        sampling = {"do_sample": True, "temperature": temperature, "top_k": top_k} if temperature > 0 else {}
        with torch.inference_mode():
            output = self.model.generate(
                **batch, max_new_tokens=max_new_tokens, **(sampling or {"do_sample": False})
            )
        made = output[:, batch["input_ids"].shape[1] :].tolist()
        return [self._answer(prompt, ids) for prompt, ids in zip(prompts, made, strict=True)]

    def _answer(self, prompt: list[int], ids: list[int]) -> dict[str, Any]:
        ends = self.model.generation_config.eos_token_id
        ends = set(ends) if isinstance(ends, list) else {ends}
        length = next((i for i, token in enumerate(ids) if token in ends), None)
        kept = ids[:length]
        return {
            "text": self.tokenizer.decode(kept, skip_special_tokens=True).strip(),
            "finish_reason": "length" if length is None else "stop",
            "input_tokens": len(prompt),
            "output_tokens": len(kept),
        }


def precision() -> Any:
    """bfloat16 where a GPU supports it, else float32: on CPU it is as fast for models this small, and exact."""
    import torch

    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32


def load_tokenizer(folder: Path, side: str) -> Any:
    """The tokenizer, padding on `side`; InputError if it cannot write a chat."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side, local_files_only=True)
    if not tokenizer.chat_template:
        raise InputError(f"{folder} has no chat template: use an instruction-tuned model.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path) -> Any:
    """The model's weights on the CPU, from safetensors alone."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=precision(), local_files_only=True, use_safetensors=True
    )


def load(folder: Path, adapter: str | None) -> Loaded:
    """The model for generation, with the adapter merged in, on the best device. Raises GenerationError."""
    import torch

    tokenizer = load_tokenizer(folder, "left")
    model = load_model(folder)
    if adapter:
        from peft import PeftModel

        try:
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
        except (RuntimeError, ValueError, KeyError) as error:
            raise GenerationError(f"The adapter {adapter} does not fit the model {folder.name}.") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    context = getattr(model.config, "max_position_embeddings", None)
    return Loaded(model, tokenizer, context or 1_000_000)
