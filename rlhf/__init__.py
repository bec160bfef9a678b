"""What users import and type: the command line and, behind it, starting and resuming runs."""

__all__ = ["__version__"]

__version__ = "0.1.0"
