"""The public Python API. Names are loaded when they are first used: `import rlhf` itself loads nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf.automation import AutomatedRLHFPipeline as AutomatedRLHFPipeline
    from rlhf.automation import PipelineConfig as PipelineConfig
    from rlhf.datasets import DatasetInfo as DatasetInfo
    from rlhf.datasets import DPODatasetBuilder as DPODatasetBuilder
    from rlhf.datasets import PreferenceDataset as PreferenceDataset
    from rlhf.datasets import list_datasets as list_datasets
    from rlhf.datasets import save_dataset as save_dataset
    from rlhf.feedback import MultiAgentRLHF as MultiAgentRLHF
    from rlhf.feedback import SyntheticFeedbackGenerator as SyntheticFeedbackGenerator
    from state.errors import RlhfError as RlhfError
    from state.records import Feedback as Feedback
    from state.records import RunReport as RunReport

__version__ = "0.1.0"

_PLACES = {
    "AutomatedRLHFPipeline": "rlhf.automation",
    "DPODatasetBuilder": "rlhf.datasets",
    "DatasetInfo": "rlhf.datasets",
    "Feedback": "state.records",
    "MultiAgentRLHF": "rlhf.feedback",
    "PipelineConfig": "rlhf.automation",
    "PreferenceDataset": "rlhf.datasets",
    "RlhfError": "state.errors",
    "RunReport": "state.records",
    "SyntheticFeedbackGenerator": "rlhf.feedback",
    "list_datasets": "rlhf.datasets",
    "save_dataset": "rlhf.datasets",
}

__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'rlhf' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
