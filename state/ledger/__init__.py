"""The ledger, the data plane: all SQL of the project is in this folder."""

from rlhf.state.ledger.ledger import SERVED, Ledger, Policy, RunRow

__all__ = ["SERVED", "Ledger", "Policy", "RunRow"]
