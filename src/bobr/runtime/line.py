"""A part's call to a configurator, and another when it ends: in threads of its own, whatever the part is busy with.

Each call has a connection of its own. A configurator that does not answer is left for the next; a part that hears
nothing goes on as it is, and calls again.
"""

import threading
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Protocol

import grpc
import structlog

from bobr.runtime.rpc import NOT_HEARD, OPTIONS, SILENCE_SECONDS, WATCH, Backoff, Peers

LAST_WORD_SECONDS = 2.0
"""A configurator that does not take the last word in this time is ending, too."""
LOOK_SECONDS = 0.25
"""Between two looks whether the other side is silent."""

log = structlog.get_logger()


class Face(Protocol):
    """The part, as its line sees it.

    `hello` and `word` are called in one thread, `hear` in another, never two at once.
    """

    def hello(self) -> bytes:
        """The first word of a new call."""
        ...

    def word(self, timeout_seconds: float) -> bytes | None:
        """The next word, as soon as there is something to say; None: not within this time."""
        ...

    def last_word(self) -> bytes:
        """Of a part that ends."""
        ...

    def hear(self, order: bytes) -> bool:
        """False: it does not fit what was told before; a new call begins anew."""
        ...


class Line:
    """Calls from `start` to `close`."""

    def __init__(self, peers: Peers, face: Face) -> None:
        """peers: configurators."""
        self._peers = peers
        self._face = face
        self._closing = threading.Event()
        self._is_refused = False
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def close(self) -> None:
        """Say the last word and end, within a bound. The face's `word` must not keep waiting."""
        self._closing.set()
        self._thread.join(2 * LAST_WORD_SECONDS)

    def _run(self) -> None:
        backoff = Backoff()
        for address in cycle(self._peers.addresses):
            if self._call(address):
                backoff.succeeded()
            if self._closing.wait(backoff.seconds()):
                return

    def _call(self, address: str) -> bool:
        """One call, to its end; whether it was good for something."""
        with grpc.insecure_channel(address, options=OPTIONS) as channel:
            call = _Call(channel, self._peers, self._face)
            while not self._closing.is_set() and not call.has_ended():
                word = self._face.word(LOOK_SECONDS)
                if word is not None:
                    call.say(word)
                if call.is_silent():
                    call.cancel()
            call.end(self._face.last_word() if self._closing.is_set() else None)
        self._note(call.refusal)
        return call.is_heard

    def _note(self, refusal: str | None) -> None:
        """One log line when it begins to refuse our words: nothing else would tell why we are idle."""
        if refusal is not None and not self._is_refused:
            log.error("the configurator does not hear us", reason=refusal)
        self._is_refused = refusal is not None


class _Call:
    """One call; a thread reads its orders. is_heard: whether they were any, and fitted."""

    def __init__(self, channel: grpc.Channel, peers: Peers, face: Face) -> None:
        self.refusal: str | None = None
        self.is_heard = False
        self._face = face
        self._heard_at = time.monotonic()
        self._words = _Words(face.hello())
        self._ended = threading.Event()
        self._call = _watch(channel)(self._words, metadata=peers.metadata())
        self._thread = threading.Thread(target=self._read, name="orders", daemon=True)
        self._thread.start()

    def say(self, word: bytes) -> None:
        self._words.put(word)

    def has_ended(self) -> bool:
        return self._ended.is_set()

    def is_silent(self) -> bool:
        return time.monotonic() - self._heard_at > SILENCE_SECONDS

    def cancel(self) -> None:
        self._call.cancel()  # type: ignore[no-untyped-call]  # stubs
        self._thread.join()

    def end(self, last_word: bytes | None) -> None:
        if last_word is not None:
            self._words.put(last_word)
        self._words.end()
        self._ended.wait(LAST_WORD_SECONDS)
        self.cancel()

    def _read(self) -> None:
        try:
            for order in self._call:
                self._heard_at = time.monotonic()
                self.is_heard = self._face.hear(order)
                if not self.is_heard:
                    return
        except grpc.RpcError as error:
            if error.code() in NOT_HEARD:
                self.refusal = error.details()
        finally:
            self._ended.set()


class _Words(Iterator[bytes]):
    """What is to be said, for grpc's thread to take: a word that waits is replaced by the next."""

    def __init__(self, first: bytes) -> None:
        self._word: bytes | None = first
        self._has_ended = False
        self._changed = threading.Condition()

    def put(self, word: bytes) -> None:
        with self._changed:
            self._word = word
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._has_ended = True
            self._changed.notify()

    def __next__(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._word is not None or self._has_ended)
            word, self._word = self._word, None
        if word is None:
            raise StopIteration
        return word


def _watch(channel: grpc.Channel) -> "grpc.StreamStreamMultiCallable[bytes, bytes]":
    """The method, of bytes: what they mean is the face's."""
    return channel.stream_stream(WATCH, request_serializer=bytes, response_deserializer=bytes)
