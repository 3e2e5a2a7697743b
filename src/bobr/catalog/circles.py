"""Routes that lead back to where they begin. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bobr.catalog.change import Kind
from bobr.catalog.config import Fault
from bobr.catalog.config.gaps import Gaps
from bobr.catalog.model import Route

STREAMS_SHOWN_MAX = 20
"""Of a circle: thousands of routes may each close one of thousands of streams."""


def circles(routes: Iterable[Route], gaps: Gaps) -> Iterator[Fault]:
    """Each circle once, at the route that closes it in the order of names. Of routes as far as they are known."""
    onward: dict[str, list[Route]] = {}
    for route in sorted(routes, key=lambda each: each.name):
        path = (Kind.ROUTE.member, route.name)
        for index, source in enumerate(route.sources):
            if not gaps.covers((*path, "from", str(index))) and not gaps.covers((*path, "to")):
                onward.setdefault(source, []).append(route)
    done: set[str] = set()
    for start in sorted(onward):
        yield from _walk(start, onward, done)


def _walk(start: str, onward: Mapping[str, Sequence[Route]], done: set[str]) -> Iterator[Fault]:
    """Depth first, without recursion: chains of routes may be long."""
    way: list[str] = []
    at: dict[str, int] = {}
    stack: list[tuple[str, Iterator[Route]]] = []

    def enter(stream: str) -> None:
        at[stream] = len(way)
        way.append(stream)
        stack.append((stream, iter(onward.get(stream, ()))))

    if start not in done:
        enter(start)
    while stack:
        stream, routes = stack[-1]
        route = next(routes, None)
        if route is None:
            done.add(stream)
            del at[way.pop()]
            stack.pop()
        elif route.to in at:
            words = f"events would go in a circle: {_shown(way, at[route.to])}"
            yield Fault(path=(Kind.ROUTE.member, route.name, "to"), rule="cycle", message=words)
        elif route.to not in done:
            enter(route.to)


def _shown(way: Sequence[str], start: int) -> str:
    """The circle that begins and ends there, as far as a line of text has room for it."""
    first = way[start : start + STREAMS_SHOWN_MAX]
    more = len(way) - start - len(first)
    return " → ".join([*first, *([f"{more:,} more"] if more else []), way[start]])
