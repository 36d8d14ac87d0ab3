"""``python -m gmmlabel`` is the command line."""

from gmmlabel.cli import main

main()
