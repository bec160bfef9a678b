"""The served app: what stands in front of LangGraph's server, and the pages it adds."""
