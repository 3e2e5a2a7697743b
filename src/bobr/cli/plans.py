"""Plans and rollouts for people. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bobr.errors import Problem, plain

SIGNS = {"add": "+", "change": "~", "remove": "-"}
VERBS = {"add": "to add", "change": "to change", "remove": "to remove"}


def as_text(plan: Mapping[str, Any]) -> str:
    """A line for each object, what it touches and breaks below it, and a summary."""
    lines = [line for step in plan["steps"] for line in _step_lines(step)]
    return "\n".join(map(plain, [*lines, summary(plan)]))


def _step_lines(step: Mapping[str, Any]) -> Iterator[str]:
    yield f"{SIGNS[step['action']]} {_object(step)}"
    for each in step["members"]:
        yield f"    {each['member']}: {_shown(each['before'])} → {_shown(each['after'])}"
    for words in step["touches"]:
        yield f"    {words}"
    for words in step["breaks"]:
        yield f"  ! {words}"


def _object(step: Mapping[str, Any]) -> str:
    return step["kind"] if step["kind"] == "settings" else f"{step['kind']} {step['name']}"


def summary(plan: Mapping[str, Any]) -> str:
    """How many objects of which action; or that there is nothing to do."""
    if not plan["steps"]:
        return f"nothing to change at revision {plan['base']}"
    counts = dict.fromkeys(SIGNS, 0)
    for step in plan["steps"]:
        counts[step["action"]] += 1
    words = ", ".join(f"{number} {VERBS[action]}" for action, number in counts.items() if number)
    return f"{words} at revision {plan['base']}"


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return ", ".join(map(_shown, value))
        case dict():
            members = (f"{key}: {_shown(each)}" for key, each in value.items() if each is not None)
            return "{" + ", ".join(members) + "}"
        case _:
            return str(value)


def as_markdown(plan: Mapping[str, Any], problems: Sequence[Problem]) -> str:
    """For a comment of a pull request."""
    lines = ["### Bobr plan", "", summary(plan)]
    if problems:
        lines += ["", "**It can not be applied:**", ""]
        lines += [f"- `{_where(each)}` {_cell(each.message)}" for each in problems]
    if plan["steps"]:
        lines += ["", "| | object | what |", "|---|---|---|"]
        lines += [_row(step) for step in plan["steps"]]
    return "\n".join(lines)


def _where(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return plain(" ".join(part for part in (place, problem.path) if part))


def _row(step: Mapping[str, Any]) -> str:
    what = [
        f"{each['member']}: {_shown(each['before'])} → {_shown(each['after'])}"
        for each in step["members"]
    ]
    what += step["touches"]
    what += [f"⚠️ {words}" for words in step["breaks"]]
    return f"| {SIGNS[step['action']]} | {_object(step)} | {'<br>'.join(map(_cell, what))} |"


def _cell(text: str) -> str:
    return plain(text.replace("|", "\\|").replace("\n", " "))


def rollout_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """What became of a revision, part by part."""
    if not answer["changed"]:
        yield f"nothing changed: revision {answer['revision']} is in force"
        return
    yield f"revision {answer['revision']}"
    yield from (f"  {told_of(each)}" for each in answer["rollout"])
    if answer["rolled_back"] is not None:
        yield f"rolled back: revision {answer['rolled_back']} is as the one before it"
    if answer["stays"] is not None:
        yield f"not rolled back: {answer['stays']}"


def told_of(part: Mapping[str, Any]) -> str:
    """What one part makes of a revision."""
    which = f"{part['part']} {part['pid']}" if part["pid"] else part["part"]
    why = f": {part['reason']}" if part["reason"] else ""
    return plain(f"{which}: {WORDS[part['state']]}{why}")


WORDS = {"live": "runs it", "refused": "refuses it", "late": "has not answered yet"}
