"""`python -m rlhf`: the same as the command `rlhf`."""

from rlhf.cli import main

if __name__ == "__main__":
    main()
