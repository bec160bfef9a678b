"""The ledger, the data plane: all SQL of the project is in this folder."""

from rlhf.state.ledger.ledger import Ledger, Policy, RunRow

__all__ = ["Ledger", "Policy", "RunRow"]
