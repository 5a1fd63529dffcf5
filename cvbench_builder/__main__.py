"""`python -m cvbench_builder`: the command line without the harness."""

from cvbench_builder.cli import main

if __name__ == "__main__":
    main()
