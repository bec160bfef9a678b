"""The policy behind an OpenAI-compatible endpoint as a chat model of LangChain's: traced like any other."""

from collections.abc import Mapping
from typing import Any

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from rlhf.nodes.endpoints.dialect import Dialect, body
from rlhf.nodes.endpoints.negotiation import Dialects
from rlhf.nodes.endpoints.protocol import Completion, send
from rlhf.nodes.endpoints.text import cleaned, content_text
from rlhf.state.endpoints import Endpoint


class EndpointChat(BaseChatModel):
    """One endpoint, asked by the judges' own protocol code: the same negotiation, the same typed failures.

    Raises CallFailed where no completion comes.
    """

    endpoint: Endpoint
    _client: httpx.AsyncClient = PrivateAttr()
    _dialects: Dialects = PrivateAttr()

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient, dialects: Dialects) -> None:
        super().__init__(endpoint=endpoint, disable_streaming=True)
        self._client, self._dialects = client, dialects

    @property
    def _llm_type(self) -> str:
        return "rlhf-endpoint"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(
            ls_provider=self.endpoint.provider,
            ls_model_name=self.endpoint.model,
            ls_model_type="chat",
            ls_temperature=self.endpoint.temperature,
            ls_max_tokens=self.endpoint.max_tokens,
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("an endpoint is asked on an event loop: use ainvoke")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        told = convert_to_openai_messages(messages)
        calls = 0

        async def ask(request: Mapping[str, Any]) -> Completion:
            nonlocal calls
            calls += 1
            return await send(self._client, self.endpoint, request)

        def asked(dialect: Dialect) -> dict[str, Any]:
            return body(
                self.endpoint,
                told if isinstance(told, list) else [told],
                dialect,
                schema=None,
                max_tokens=self.endpoint.max_tokens,
                temperature=self.endpoint.temperature,
                seed=int(kwargs.get("seed", 0)),
                logprobs=False,
            )

        completion = await self._dialects.complete(self.endpoint, asked, ask)
        text, replaced = cleaned(content_text(completion.choice["message"]))
        used = completion.input_tokens, completion.output_tokens
        message = AIMessage(
            content=text,
            usage_metadata={"input_tokens": used[0], "output_tokens": used[1], "total_tokens": sum(used)},
            response_metadata={
                "finish_reason": completion.choice.get("finish_reason") or "",
                "model_name": self.endpoint.model,
                "calls": calls,
                "replaced": replaced,
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])
