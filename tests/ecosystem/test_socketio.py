"""python-socketio: servers that share rooms, and a process that only emits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import socketio
from aiohttp import web
from redis.asyncio import Redis

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, end, eventually


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[socketio.AsyncServer, str]]:
    """A server whose clients join the room that they name, and its address."""
    manager = socketio.AsyncRedisManager(url)
    server = socketio.AsyncServer(client_manager=manager, async_mode="aiohttp")

    @server.event
    async def join(session: str, room: str) -> str:
        await server.enter_room(session, room)
        return "joined"

    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await server.shutdown()
        await runner.cleanup()
        await end(manager.thread)
        await manager.pubsub.aclose()
        await manager.redis.aclose()


@asynccontextmanager
async def client(address: str) -> AsyncIterator[tuple[socketio.AsyncClient, asyncio.Queue[Any]]]:
    """A connected client in the room `room`, and what it has received."""
    received: asyncio.Queue[Any] = asyncio.Queue()
    client = socketio.AsyncClient()
    client.on("news", received.put)
    await client.connect(address, transports=["websocket"])
    assert await client.call("join", "room", timeout=RESULT_TIMEOUT_SECONDS) == "joined"
    try:
        yield client, received
    finally:
        await client.disconnect()


async def subscribers(url: str, count: int) -> None:
    """Wait until so many servers listen to each other."""
    async with Redis.from_url(url) as redis:

        async def are_there() -> bool:
            ((_, found),) = await redis.pubsub_numsub("socketio")
            return bool(found == count)

        await eventually(are_there)


Flow = Callable[[socketio.AsyncServer, list[asyncio.Queue[Any]]], Awaitable[None]]


def run(url: str, flow: Flow) -> None:
    """Two servers with one client each."""

    async def whole() -> None:
        async with (
            asyncio.timeout(RESULT_TIMEOUT_SECONDS),
            serving(url) as (first, first_address),
            serving(url) as (_, second_address),
            client(first_address) as (_, here),
            client(second_address) as (_, there),
        ):
            await subscribers(url, 2)
            await flow(first, [here, there])

    asyncio.run(whole())


def test_a_room_reaches_over_servers(url: str) -> None:
    async def flow(server: socketio.AsyncServer, received: list[asyncio.Queue[Any]]) -> None:
        await server.emit("news", {"text": "hello"}, room="room")
        assert [await queue.get() for queue in received] == [{"text": "hello"}] * 2
        await server.emit("news", "nobody is here", room="elsewhere")
        await server.emit("news", "everybody")
        assert [await queue.get() for queue in received] == ["everybody"] * 2

    run(url, flow)


def test_a_process_without_clients_emits(url: str) -> None:
    async def flow(_: socketio.AsyncServer, received: list[asyncio.Queue[Any]]) -> None:
        emitter = socketio.RedisManager(url, write_only=True)
        await asyncio.to_thread(emitter.emit, "news", {"text": "from outside"}, room="room")
        assert [await queue.get() for queue in received] == [{"text": "from outside"}] * 2
        emitter.redis.close()

    run(url, flow)


def test_a_room_is_closed_everywhere(url: str) -> None:
    async def flow(server: socketio.AsyncServer, received: list[asyncio.Queue[Any]]) -> None:
        await server.close_room("room")
        await server.emit("news", "to nobody", room="room")
        await server.emit("news", "to all")
        assert [await queue.get() for queue in received] == ["to all"] * 2

    run(url, flow)
