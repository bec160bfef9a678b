"""One crew: a judge with its persona, its task and its model. Imported in worker processes only.

CrewAI's executor, its prompts, its retries and its log of outputs are switched off: they cost 40 ms and up to
four hidden calls per judgement, and put the role first, which spoils every prefix cache.
"""

from collections.abc import Sequence
from typing import Any

import httpx
from crewai import Agent, Crew, Process, Task
from pydantic import PrivateAttr

from rlhf.nodes.crews.crewai_internals import without_output_log
from rlhf.nodes.crews.levels import Reading, scored
from rlhf.nodes.crews.llm import EndpointLLM
from rlhf.nodes.crews.readings import Readings
from rlhf.nodes.crews.requests import Attempt, JudgeReply, JudgeRequest, failed_reply
from rlhf.nodes.crews.shapes import Unreadable
from rlhf.nodes.endpoints.negotiation import Dialects
from rlhf.nodes.endpoints.protocol import CallFailed
from rlhf.prompts.messages import VerdictAnswer


class JudgeAgent(Agent):  # type: ignore[misc]  # crewai is not followed by the type checker
    """An agent that answers its task with exactly one structured call (one per sample)."""

    _request: JudgeRequest | None = PrivateAttr(default=None)

    def hand(self, request: JudgeRequest) -> None:
        """Give the agent the request its next task is about."""
        self._request = request

    def create_agent_executor(self, tools: Any = None, task: Any = None) -> None:
        """No executor: there is no loop of thoughts and tools to execute."""

    async def aexecute_task(self, task: Any, context: str | None = None, tools: Any = None) -> Attempt:
        """Judge. Always an Attempt: a failed call is data, not an exception for CrewAI to retry."""
        request = self._request
        if request is None:
            raise RuntimeError("the agent was handed no request")
        llm: EndpointLLM = self.llm
        llm.prepare(request)
        samples: list[Readings] = []
        messages = [message.model_dump() for message in request.messages]
        for _ in range(request.samples):
            try:
                answer = await llm.acall(
                    messages, from_task=task, from_agent=self, response_model=VerdictAnswer
                )
            except CallFailed as error:
                if all(_is_enough([each[name] for each in samples], request) for name in request.dimensions):
                    break  # what is paid for is used
                return Attempt(problem=error.problem, usage=llm.spent)
            samples.append(answer)
            if all(any(_is_weighed(each[name]) for each in samples) for name in request.dimensions):
                break  # the distributions already tell what more samples would
            llm.next_sample()
        replies = {name: _reply([each[name] for each in samples], request) for name in request.dimensions}
        return Attempt(replies=replies, usage=llm.spent)


def _is_weighed(reading: Reading | Unreadable) -> bool:
    return isinstance(reading, Reading) and reading.levels is not None


def _is_enough(samples: Sequence[Reading | Unreadable], request: JudgeRequest) -> bool:
    """Whether more than half of the samples that are wanted can be used."""
    return 2 * sum(isinstance(each, Reading) for each in samples) > request.samples


def _reply(samples: Sequence[Reading | Unreadable], request: JudgeRequest) -> JudgeReply:
    """What the samples of one judgement amount to: scored, unless too many cannot be used."""
    unreadable = [each for each in samples if isinstance(each, Unreadable)]
    if unreadable and not _is_enough(samples, request):
        last = unreadable[-1]
        told = last.told(request.endpoint.max_tokens)
        return failed_reply(last.kind, f"The verdict cannot be used: {told}.")
    return scored([each for each in samples if isinstance(each, Reading)])


class JudgeCrew:
    """A warm crew for one persona, endpoint and dimension (or all of them). Never kick it off twice at once."""

    def __init__(self, request: JudgeRequest, client: httpx.AsyncClient, dialects: Dialects) -> None:
        self._agent = JudgeAgent(
            role=request.role,
            goal=request.goal,
            backstory=request.backstory,
            llm=EndpointLLM(request.endpoint, client, dialects),
            max_retry_limit=0,
            allow_delegation=False,
            verbose=False,
            cache=False,
        )
        task = Task(
            name=f"judge_{request.name}",
            description="Judge one response on each dimension that is named.",
            expected_output="A verdict per dimension: level 0 to 5, strengths, weaknesses and a rationale.",
            agent=self._agent,
            output_pydantic=Attempt,
            guardrail_max_retries=0,
        )
        self._crew = Crew(
            agents=[self._agent],
            tasks=[task],
            process=Process.sequential,
            tracing=False,
            verbose=False,
            memory=False,
            cache=False,
        )
        without_output_log(self._crew)

    async def judge(self, request: JudgeRequest) -> Attempt:
        """Kick the crew off on one request."""
        self._agent.hand(request)
        output = await self._crew.akickoff()
        attempt = output.pydantic
        if not isinstance(attempt, Attempt):
            raise TypeError(f"the crew brought {type(attempt).__name__}, not a verdict")
        return attempt.model_copy(update={"calls": self._agent.llm.calls})
