"""The protocol every model is asked by, and the lane a worker asks one endpoint through."""
