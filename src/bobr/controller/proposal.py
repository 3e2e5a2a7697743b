"""A change of the catalog before it is in force: what was asked for, judged whole, with everything that is wrong.

`propose` changes nothing; `registered` makes what it found ready to be committed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from bobr.catalog import Catalog, Kind, Stream
from bobr.catalog.config import Fault, Path, Place, Places
from bobr.catalog.config.bundle import Bundle, protos_of
from bobr.catalog.config.gaps import Gaps
from bobr.catalog.config.load import Declared, Loaded, in_order, load, problem_of
from bobr.catalog.config.model import StreamInFile
from bobr.catalog.plan import Facts, Plan, plan
from bobr.catalog.request import Request, fulfilled, of_files, understood
from bobr.catalog.tables import Between, Tables, check_rows
from bobr.catalog.validate import (
    Holdings,
    check_catalog,
    check_change,
    check_removals,
    check_request,
)
from bobr.controller.candidate import Candidate
from bobr.controller.registry import Registry
from bobr.controller.schemas import Asked, Schemas, resolve
from bobr.errors import Problem, ProblemsError, first_of
from bobr.ids import SchemaId, StreamName
from bobr.schema import EventType

Hold = Callable[[Iterable[StreamName]], Holdings]
"""What streams hold, of those that are in the log."""
Look = Callable[[Catalog, Catalog], Tables]
"""From what is in force to what is wanted: of tables that no delivery in force has, the last that had each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where a change is to be made. registry: None, nobody can be asked. parts: running instances by part.

    partitions_max: of a stream in the log; None: not known. earlier: in the history, if there is one.
    """

    current: Catalog
    registry: Registry | None
    hold: Hold
    parts: Mapping[str, int]
    partitions_max: int | None = None
    earlier: Look = lambda _, __: {}


class Consent(BaseModel):
    """What the one who asks agrees to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_delete: bool = False
    take_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """problems: none, it can be applied. wanted: at the revision that it was made for; new schemas have no id yet."""

    current: Catalog
    wanted: Catalog
    facts: Facts
    problems: Sequence[Problem]
    protos: Mapping[StreamName, str]
    bundle: Bundle
    candidates: Mapping[StreamName, Candidate]
    counts: Mapping[str, int]
    """Of declared objects, by kind."""
    judged: Catalog
    """As wanted, with what is understood in part."""
    gaps: Gaps
    places: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Checked):
    """And what applying it does."""

    plan: Plan


def propose(bundle: Bundle, consent: Consent, world: World) -> Proposal:
    """What files ask for."""
    return _planned(_checked(bundle, load(bundle.files), consent, world))


def _checked(bundle: Bundle, loaded: Loaded, consent: Consent, world: World) -> Checked:
    declared, problems = loaded
    asked = Asked(
        streams=declared.streams, protos=protos_of(declared), bundle=bundle, gaps=declared.gaps
    )
    judged = _judge(of_files(declared, world.current), asked, consent, world)
    places = _with_home(declared.places, bundle)
    faults = [problem_of(places, fault) for fault in judged.faults]
    every = [*problems, *judged.schemas.problems, *faults]
    return _told(judged, every, _counts(declared), places)


def _with_home(places: Places, bundle: Bundle) -> Places:
    """Sections that no file has, as what goes may leave them, stand in the first file: there they can be written."""
    if not bundle.files:
        return places
    home = Place(file=min(bundle.files), line=1, column=1)
    sections: dict[Path, Place] = {(kind.member,): home for kind in Kind}
    return Places(keys={**sections, **places.keys}, values=places.values)


def propose_request(request: Request, bundle: Bundle, consent: Consent, world: World) -> Proposal:
    """What a call asks for. bundle: the proto that each stream of it names, as a path of the bundle."""
    streams = {
        StreamName(name): each
        for (_, name), each in request.declared.items()
        if isinstance(each, StreamInFile)
    }
    protos = {
        name: each.proto
        for name, each in streams.items()
        if each.proto is not None and not request.gaps.covers((Kind.STREAM.member, name, "proto"))
    }
    asked = Asked(streams=streams, protos=protos, bundle=bundle, gaps=request.gaps)
    judged = _judge(request, asked, consent, world)
    nowhere = Places(keys={}, values={})
    faults = (problem_of(nowhere, each) for each in (*request.faults, *judged.faults))
    problems = [*judged.schemas.problems, *faults]
    return _planned(_told(judged, problems, {}, nowhere))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A request, with what was found out."""

    asked: Asked
    schemas: Schemas
    current: Catalog
    wanted: Catalog
    judged: Catalog
    facts: Facts
    faults: Sequence[Fault]


def _judge(request: Request, asked: Asked, consent: Consent, world: World) -> _Judged:
    schemas = resolve(asked, world.current, world.registry)
    wanted = fulfilled(request, world.current, schemas.typed)
    judged = understood(request, wanted, world.current, schemas.typed, schemas.untyped)
    facts = _facts(judged, schemas, world)
    found = [*schemas.faults, *_faults(request, judged, consent, facts, world)]
    return _Judged(
        asked=asked,
        schemas=schemas,
        current=world.current,
        wanted=wanted,
        judged=judged,
        facts=facts,
        faults=tuple(request.gaps.without(found)),
    )


def _planned(checked: Checked) -> Proposal:
    members = {each.name: getattr(checked, each.name) for each in fields(checked)}
    return Proposal(**members, plan=plan(checked.current, checked.wanted, checked.facts))


def _told(
    judged: _Judged, problems: list[Problem], counts: Mapping[str, int], places: Places
) -> Checked:
    return Checked(
        current=judged.current,
        wanted=judged.wanted,
        facts=judged.facts,
        problems=tuple(in_order(problems)),
        protos=judged.asked.protos,
        bundle=judged.asked.bundle,
        candidates=judged.schemas.candidates,
        counts=counts,
        judged=judged.judged,
        gaps=judged.asked.gaps,
        places=places,
    )


def told_with(proposal: Proposal, faults: Iterable[Fault]) -> Sequence[Problem]:
    """Its problems, and what else was found in the objects that were judged, in order; of too many the first ones."""
    more = [problem_of(proposal.places, each) for each in proposal.gaps.without(faults)]
    return first_of(in_order([*proposal.problems, *more]))


def checked_alone(bundle: Bundle, loaded: Loaded) -> Checked:
    """As far as files can be judged that nothing is compared with. loaded: of the bundle's."""
    world = World(current=Catalog(), registry=None, hold=lambda _: {}, parts={})
    return _checked(bundle, loaded, Consent(allow_delete=True, take_over=True), world)


def _counts(declared: Declared) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for kind, _ in declared.names:
        numbers[kind.member] = numbers.get(kind.member, 0) + 1
    counted = (kind.member for kind in Kind if kind is not Kind.SETTINGS)
    return {member: numbers[member] for member in counted if member in numbers}


def _faults(
    request: Request, judged: Catalog, consent: Consent, facts: Facts, world: World
) -> Iterable[Fault]:
    between = Between(world.current, judged, facts.earlier)
    return chain(
        check_request(
            request,
            world.current,
            take_over=consent.take_over,
            allow_delete=consent.allow_delete,
            handed_on=between.handed_on(),
        ),
        check_catalog(judged, request.gaps),
        check_change(between, facts.holdings),
        () if consent.allow_delete else check_rows(between),
        _check_runnable(request),
    )


def _check_runnable(request: Request) -> Iterable[Fault]:
    """Routes are judged, but no part runs them yet; what is in force must be run."""
    for kind, name in request.declared.keys() | request.unread:
        if kind is Kind.ROUTE:
            words = "this version has no part that runs routes: leave it out"
            yield Fault(path=(kind.member, name), rule="not-run", message=words, is_of_key=True)


def _facts(judged: Catalog, schemas: Schemas, world: World) -> Facts:
    current = world.current.streams
    return Facts(
        columns={
            name: _new_columns(current[name], candidate, world.registry)
            for name, candidate in schemas.candidates.items()
            if name in current and world.registry is not None
        },
        holdings=world.hold(changed_streams(world.current, judged)),
        parts=world.parts,
        partitions_max=world.partitions_max,
        earlier=world.earlier(world.current, judged),
    )


def changed_streams(before: Catalog, after: Catalog) -> Sequence[StreamName]:
    """Those in force that will not be as they are."""
    return [name for name, each in before.streams.items() if after.streams.get(name) is not each]


def _new_columns(old: Stream, candidate: Candidate, registry: Registry) -> list[str]:
    """Those that no schema of the stream has had, with their types."""
    if old.message != candidate.message:
        return []
    known: set[str] = set()
    for schema_id in old.schema_ids:
        known |= set(_paths(EventType.build(registry.descriptors(schema_id), old.message)))
    return [
        f"{path} {kind}" for path, kind in _paths(candidate.event_type).items() if path not in known
    ]


def _paths(event_type: EventType) -> dict[str, str]:
    """Columns and members of structs, with their types."""
    found: dict[str, str] = {}

    def walk(fields: Iterable[pa.Field], outer: str) -> None:
        for each in fields:
            path = f"{outer}{each.name}"
            if pa.types.is_struct(each.type):
                walk(list(each.type), f"{path}.")
            else:
                found[path] = str(each.type)

    walk(event_type.columns, "")
    return found


def check_sound(between: Between, holdings: Holdings, advice: str = "") -> None:
    """ProblemsError: something is wrong that was not before, or what is in force can not become it.

    What was wrong is nothing that any change has to mend. advice: what to do about the other.
    """
    faults = list(check_catalog(between.after))
    old = set(check_catalog(between.before)) if faults else set()
    refused = [
        replace(each, message=each.message + advice) for each in check_change(between, holdings)
    ]
    refuse([*(each for each in faults if each not in old), *refused])


def check_nothing_goes(before: Catalog, after: Catalog) -> None:
    """ProblemsError: an object that is in force is not there afterwards."""
    refuse(check_removals(before, after))


def refuse(faults: Iterable[Fault]) -> None:
    """ProblemsError: there are some."""
    nowhere = Places(keys={}, values={})
    if problems := [problem_of(nowhere, each) for each in faults]:
        raise ProblemsError(in_order(problems))


def registered(proposal: Proposal, registry: Registry) -> Catalog:
    """The catalog with the ids of its schemas, which are in the registry from here on. SchemaError: it refuses one."""
    streams = dict(proposal.wanted.streams)
    for name, candidate in proposal.candidates.items():
        streams[name] = _with_schema(streams[name], _register(proposal, name, candidate, registry))
    return proposal.wanted.model_copy(update={"streams": streams})


def _register(
    proposal: Proposal, name: StreamName, candidate: Candidate, registry: Registry
) -> SchemaId:
    stream = proposal.wanted.streams[name]
    path = proposal.protos.get(name)
    if path is None:  # it came from there
        return stream.schema_id
    sources = proposal.bundle.sources(path)
    return registry.register_compiled(
        stream.subject, sources.files, candidate.files, candidate.message
    )


def _with_schema(stream: Stream, schema_id: SchemaId) -> Stream:
    others = (each for each in stream.schema_ids[:-1] if each != schema_id)
    return stream.model_copy(update={"schema_ids": (*others, schema_id)})
