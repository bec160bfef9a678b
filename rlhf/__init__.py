"""The public Python API. Names are loaded when they are first used: `import rlhf` itself loads nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf.datasets import DatasetInfo as DatasetInfo
    from rlhf.datasets import DPODatasetBuilder as DPODatasetBuilder
    from rlhf.datasets import PreferenceDataset as PreferenceDataset
    from rlhf.datasets import list_datasets as list_datasets
    from rlhf.datasets import save_dataset as save_dataset
    from rlhf.evidence import ResponseEvidence as ResponseEvidence
    from rlhf.evidence import check_evidence as check_evidence
    from rlhf.feedback import MultiAgentRLHF as MultiAgentRLHF
    from rlhf.feedback import SyntheticFeedbackGenerator as SyntheticFeedbackGenerator
    from rlhf.monitor import RLHFMonitor as RLHFMonitor
    from rlhf.nodes.quality import Thresholds as Thresholds
    from rlhf.people.merge import MergedFeedback as MergedFeedback
    from rlhf.people.merge import export_review as export_review
    from rlhf.people.merge import import_review as import_review
    from rlhf.people.merge import merge as merge
    from rlhf.people.terminal import acollect_human_feedback as acollect_human_feedback
    from rlhf.people.terminal import collect_human_feedback as collect_human_feedback
    from rlhf.pipeline import AutomatedRLHFPipeline as AutomatedRLHFPipeline
    from rlhf.pipeline import PipelineConfig as PipelineConfig
    from rlhf.runs.drive import Pending as Pending
    from rlhf.runs.reweigh import Reweighed as Reweighed
    from rlhf.runs.reweigh import reweigh as reweigh
    from rlhf.state.errors import RlhfError as RlhfError
    from rlhf.state.measures import Alert as Alert
    from rlhf.state.measures import Batch as Batch
    from rlhf.state.measures import Drift as Drift
    from rlhf.state.measures import FeedbackQuality as FeedbackQuality
    from rlhf.state.records import Feedback as Feedback
    from rlhf.state.records import HumanLabel as HumanLabel
    from rlhf.state.run_report import RunReport as RunReport
    from rlhf.tracer import LangSmithTracer as LangSmithTracer
    from rlhf.tracer import ProjectStats as ProjectStats
    from rlhf.tracer import TracedBlock as TracedBlock
    from rlhf.trust.comparison import VersionComparison as VersionComparison
    from rlhf.trust.lineage import lineage as lineage
    from rlhf.trust.lineage_records import AdapterOrigin as AdapterOrigin
    from rlhf.trust.lineage_records import PairOrigin as PairOrigin
    from rlhf.trust.lineage_records import ResponseOrigin as ResponseOrigin

__version__ = "0.1.0"
"""The one place where it is written."""

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
    "ResponseEvidence",
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
    "check_evidence",
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
    "rlhf.nodes.quality": ("Thresholds",),
    "rlhf.people.terminal": (
        "acollect_human_feedback",
        "collect_human_feedback",
    ),
    "rlhf.pipeline": (
        "AutomatedRLHFPipeline",
        "PipelineConfig",
    ),
    "rlhf.trust.comparison": ("VersionComparison",),
    "rlhf.datasets": (
        "DPODatasetBuilder",
        "DatasetInfo",
        "PreferenceDataset",
        "list_datasets",
        "save_dataset",
    ),
    "rlhf.trust.lineage": ("lineage",),
    "rlhf.evidence": (
        "ResponseEvidence",
        "check_evidence",
    ),
    "rlhf.feedback": (
        "MultiAgentRLHF",
        "SyntheticFeedbackGenerator",
    ),
    "rlhf.monitor": ("RLHFMonitor",),
    "rlhf.trust.lineage_records": (
        "AdapterOrigin",
        "PairOrigin",
        "ResponseOrigin",
    ),
    "rlhf.people.merge": (
        "MergedFeedback",
        "export_review",
        "import_review",
        "merge",
    ),
    "rlhf.runs.reweigh": ("Reweighed", "reweigh"),
    "rlhf.runs.drive": ("Pending",),
    "rlhf.tracer": (
        "LangSmithTracer",
        "ProjectStats",
        "TracedBlock",
    ),
    "rlhf.state.errors": ("RlhfError",),
    "rlhf.state.measures": (
        "Alert",
        "Batch",
        "Drift",
        "FeedbackQuality",
    ),
    "rlhf.state.records": (
        "Feedback",
        "HumanLabel",
    ),
    "rlhf.state.run_report": ("RunReport",),
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
