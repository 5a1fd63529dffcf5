"""`python -m cambrian_eval` is the console script."""

from cambrian_eval.cli.main import main

main()
