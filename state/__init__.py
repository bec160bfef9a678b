"""What flows through the graphs and what lasts: records, settings, the ledger, errors."""
