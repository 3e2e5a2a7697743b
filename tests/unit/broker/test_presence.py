"""Clients that go away while they are waited for, or not."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from bobr.broker.bodies import DisconnectedError
from bobr.broker.presence import present

BODY: Message = {"type": "http.request", "body": b"x", "more_body": True}
GONE: Message = {"type": "http.disconnect"}


class Client:
    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.messages.put_nowait(message)


def run(test: Callable[[Client], Awaitable[None]]) -> None:
    bugs: list[object] = []

    async def within_bounds() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
        await asyncio.wait_for(test(Client()), 60)

    asyncio.run(within_bounds())
    assert not bugs


def test_messages_come_in_their_order() -> None:
    async def test(client: Client) -> None:
        others = [dict(BODY, body=b"%d" % number) for number in range(5)]
        client.send(*others)
        async with present(client.messages.get) as receive:
            assert [await receive() for _ in others] == others

    run(test)


def test_who_goes_away_ends_what_is_awaited_for_it() -> None:
    async def test(client: Client) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            async with present(client.messages.get) as receive:
                assert await receive() == BODY
                client.send(GONE)
                await answer

        client.send(BODY)
        with pytest.raises(DisconnectedError):
            await serve()
        assert answer.cancelled()

    run(test)


def test_what_waits_for_the_next_message_may_give_up() -> None:
    """A pause in the body is no end of it: what comes later is not lost."""

    async def test(client: Client) -> None:
        async with present(client.messages.get) as receive:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.001)
            client.send(BODY)
            assert await receive() == BODY

    run(test)


def test_errors_of_what_is_done_meanwhile_are_its_own() -> None:
    async def test(client: Client) -> None:
        with pytest.raises(TimeoutError, match="its own"):
            async with present(client.messages.get):
                raise TimeoutError("its own")

    run(test)


@pytest.mark.parametrize("is_read", [False, True])
def test_who_goes_away_in_the_moment_of_the_end(is_read: bool) -> None:
    """The last message is here, and who waits for it hears of it first."""

    async def test(client: Client) -> None:
        async with present(client.messages.get) as receive:
            await asyncio.sleep(0)
            client.send(GONE, GONE)
            await asyncio.sleep(0)
            if is_read:
                assert await receive() == GONE
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(test)
