"""``python -m loadtests``: the load test and the staging server, as child processes of ``withstand``."""

from loadtests.cli import main

if __name__ == "__main__":
    main()
