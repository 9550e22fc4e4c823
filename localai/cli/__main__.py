"""`python -m localai.cli`: the same as the `localai` command."""

from localai.cli import main

if __name__ == "__main__":
    main()
