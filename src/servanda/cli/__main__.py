"""`python -m servanda.cli`."""

from servanda.cli import command

command()
