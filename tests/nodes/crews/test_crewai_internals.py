"""CrewAI still has the private names that crewai_internals.py uses, and they still do what they are used for."""

import subprocess
import sys


def in_a_worker(code: str) -> list[str]:
    """What code prints that imports CrewAI, which this process never does: workers do."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_marked_call_is_not_wrapped_in_crewais_retries_and_an_unmarked_one_is() -> None:
    told = in_a_worker(
        """
from crewai import BaseLLM
from rlhf.nodes.crews.crewai_internals import not_retried

async def acall(self, messages, **more): ...
def call(self, messages, **more): ...
marked = type("Marked", (BaseLLM,), {"call": not_retried(call), "acall": not_retried(acall), "__module__": __name__})
assert marked.acall is acall and marked.call is call
async def acall_2(self, messages, **more): ...
plain = type("Plain", (BaseLLM,), {"call": call, "acall": acall_2, "__module__": __name__})
print(plain.acall is acall_2)
"""
    )
    assert told == ["False"], "CrewAI wraps nothing any more: crewai_internals.not_retried can go"


def test_a_crew_without_output_log_writes_none() -> None:
    told = in_a_worker(
        """
from crewai import Agent, Crew, Task
from rlhf.nodes.crews.crewai_internals import without_output_log
from rlhf.nodes.crews.llm import Dialects, EndpointLLM
from rlhf.state.endpoints import Endpoint
import httpx

assert "_task_output_handler" in Crew.__private_attributes__, "the log of a crew has another name"
llm = EndpointLLM(Endpoint(provider="vllm", model="none"), httpx.AsyncClient(), Dialects())
agent = Agent(role="r", goal="g", backstory="b", llm=llm)
crew = Crew(agents=[agent], tasks=[Task(description="d", expected_output="e", agent=agent)])
wanted = {name for name in ("reset", "update", "load") if hasattr(crew._task_output_handler, name)}
without_output_log(crew)
stands_in = {name for name in wanted if hasattr(crew._task_output_handler, name)}
print(len(wanted), len(stands_in))
"""
    )
    assert told == ["3", "3"]
