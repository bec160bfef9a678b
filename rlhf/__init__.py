"""The public Python API. Names are loaded when they are first used: `import rlhf` itself loads nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.quality import Thresholds as Thresholds
    from nodes.reweigh import Reweighed as Reweighed
    from rlhf.asking import acollect_human_feedback as acollect_human_feedback
    from rlhf.asking import collect_human_feedback as collect_human_feedback
    from rlhf.automation import AutomatedRLHFPipeline as AutomatedRLHFPipeline
    from rlhf.automation import PipelineConfig as PipelineConfig
    from rlhf.comparing import VersionComparison as VersionComparison
    from rlhf.datasets import DatasetInfo as DatasetInfo
    from rlhf.datasets import DPODatasetBuilder as DPODatasetBuilder
    from rlhf.datasets import PreferenceDataset as PreferenceDataset
    from rlhf.datasets import list_datasets as list_datasets
    from rlhf.datasets import save_dataset as save_dataset
    from rlhf.descent import lineage as lineage
    from rlhf.feedback import MultiAgentRLHF as MultiAgentRLHF
    from rlhf.feedback import SyntheticFeedbackGenerator as SyntheticFeedbackGenerator
    from rlhf.monitoring import RLHFMonitor as RLHFMonitor
    from rlhf.origins import AdapterOrigin as AdapterOrigin
    from rlhf.origins import PairOrigin as PairOrigin
    from rlhf.origins import ResponseOrigin as ResponseOrigin
    from rlhf.people import MergedFeedback as MergedFeedback
    from rlhf.people import export_review as export_review
    from rlhf.people import import_review as import_review
    from rlhf.people import merge as merge
    from rlhf.reweighing import reweigh as reweigh
    from rlhf.runs import Pending as Pending
    from rlhf.tracing import LangSmithTracer as LangSmithTracer
    from rlhf.tracing import ProjectStats as ProjectStats
    from rlhf.tracing import TracedBlock as TracedBlock
    from state.errors import RlhfError as RlhfError
    from state.history import Alert as Alert
    from state.history import Batch as Batch
    from state.history import Drift as Drift
    from state.history import FeedbackQuality as FeedbackQuality
    from state.records import Feedback as Feedback
    from state.records import HumanLabel as HumanLabel
    from state.records import RunReport as RunReport

__version__ = "0.1.0"

__all__ = [
    "AdapterOrigin",
    "Alert",
    "AutomatedRLHFPipeline",
    "Batch",
    "DPODatasetBuilder",
    "DatasetInfo",
    "Drift",
    "Feedback",
    "FeedbackQuality",
    "HumanLabel",
    "LangSmithTracer",
    "MergedFeedback",
    "MultiAgentRLHF",
    "PairOrigin",
    "Pending",
    "PipelineConfig",
    "PreferenceDataset",
    "ProjectStats",
    "RLHFMonitor",
    "ResponseOrigin",
    "Reweighed",
    "RlhfError",
    "RunReport",
    "SyntheticFeedbackGenerator",
    "Thresholds",
    "TracedBlock",
    "VersionComparison",
    "__version__",
    "acollect_human_feedback",
    "collect_human_feedback",
    "export_review",
    "import_review",
    "lineage",
    "list_datasets",
    "merge",
    "reweigh",
    "save_dataset",
]

_PLACES = {
    "nodes.quality": ("Thresholds",),
    "nodes.reweigh": ("Reweighed",),
    "rlhf.asking": (
        "acollect_human_feedback",
        "collect_human_feedback",
    ),
    "rlhf.automation": (
        "AutomatedRLHFPipeline",
        "PipelineConfig",
    ),
    "rlhf.comparing": ("VersionComparison",),
    "rlhf.datasets": (
        "DPODatasetBuilder",
        "DatasetInfo",
        "PreferenceDataset",
        "list_datasets",
        "save_dataset",
    ),
    "rlhf.descent": ("lineage",),
    "rlhf.feedback": (
        "MultiAgentRLHF",
        "SyntheticFeedbackGenerator",
    ),
    "rlhf.monitoring": ("RLHFMonitor",),
    "rlhf.origins": (
        "AdapterOrigin",
        "PairOrigin",
        "ResponseOrigin",
    ),
    "rlhf.people": (
        "MergedFeedback",
        "export_review",
        "import_review",
        "merge",
    ),
    "rlhf.reweighing": ("reweigh",),
    "rlhf.runs": ("Pending",),
    "rlhf.tracing": (
        "LangSmithTracer",
        "ProjectStats",
        "TracedBlock",
    ),
    "state.errors": ("RlhfError",),
    "state.history": (
        "Alert",
        "Batch",
        "Drift",
        "FeedbackQuality",
    ),
    "state.records": (
        "Feedback",
        "HumanLabel",
        "RunReport",
    ),
}
"""Where each public name lives."""

_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'rlhf' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
