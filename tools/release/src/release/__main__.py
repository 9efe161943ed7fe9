"""Run the command line as ``python -m release``."""

from release.cli.main import main

main()
