"""The five dimensions every response is judged on, and how much each weighs by default."""

from types import MappingProxyType
from typing import Final

DIMENSIONS: Final[tuple[str, ...]] = ("accuracy", "brand_alignment", "compliance", "clarity", "actionability")

# Shares of the overall score; they sum to 1.
DEFAULT_WEIGHTS: Final = MappingProxyType(
    {"accuracy": 0.30, "brand_alignment": 0.20, "compliance": 0.25, "clarity": 0.15, "actionability": 0.10}
)
