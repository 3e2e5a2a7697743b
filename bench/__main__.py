"""`make bench`: every bench in one run, each beside its limit. Decides nothing."""

import sys
from importlib import import_module

from bobr.runtime.logs import keep_grpc_quiet

BENCHES = ("startup", "append", "publish", "json_in", "deliver", "fairness", "catalog", "rollout")
LONG = ("overload",)
"""Five minutes and more: only when named, `python -m bench overload`."""


def main() -> None:
    """Run the named benches, or all short ones."""
    keep_grpc_quiet()
    for name in sys.argv[1:] or BENCHES:
        import_module(f"bench.{name}").main()
        print(flush=True)


if __name__ == "__main__":
    main()
