"""`python -m bobr.cli`: the same as `bobr`."""

from bobr.cli import main

main()
