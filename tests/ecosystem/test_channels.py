"""Django channels: websocket consumers that talk through Redis, by lists and by pub/sub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import BaseChannelLayer, channel_layers
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from redis.asyncio import Redis

from tests.ecosystem.support import RESULT_TIMEOUT_SECONDS, eventually

if not settings.configured:
    settings.configure()

Flow = Callable[[Any], Awaitable[None]]
LAYERS: dict[str, Callable[..., BaseChannelLayer]] = {
    "lists": RedisChannelLayer,
    "pubsub": RedisPubSubChannelLayer,
}


class Chat(AsyncJsonWebsocketConsumer):
    """Everybody in the room gets what one of them says."""

    async def connect(self) -> None:
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("room", self.channel_name)

    async def receive_json(self, content: dict[str, str]) -> None:
        await self.channel_layer.group_send("room", {"type": "said", "text": content["text"]})

    async def said(self, event: dict[str, str]) -> None:
        await self.send_json({"heard": event["text"]})


def run(kind: str, url: str, flow: Flow, **options: object) -> None:
    async def whole() -> None:
        # A receiver asks for 5 seconds, which is also how long redis-py waits for a reply.
        layer = LAYERS[kind](hosts=[{"address": url, "socket_timeout": 60}], **options)
        channel_layers.set("default", layer)
        async with asyncio.timeout(RESULT_TIMEOUT_SECONDS):
            await flow(layer)
            await layer.flush()
            if kind == "lists":
                await layer.close_pools()

    asyncio.run(whole())


class Person:
    """Somebody in the chat, as a web server would connect them."""

    def __init__(self) -> None:
        scope = {"type": "websocket", "path": "/room"}
        self._socket = ApplicationCommunicator(Chat.as_asgi(), scope)

    async def enter(self) -> None:
        await self._socket.send_input({"type": "websocket.connect"})
        reply = await self._socket.receive_output(RESULT_TIMEOUT_SECONDS)
        assert reply["type"] == "websocket.accept"

    async def say(self, text: str) -> None:
        message = {"type": "websocket.receive", "text": json.dumps({"text": text})}
        await self._socket.send_input(message)

    async def hear(self) -> str:
        reply = await self._socket.receive_output(RESULT_TIMEOUT_SECONDS)
        return str(json.loads(reply["text"])["heard"])

    async def leave(self) -> None:
        await self._socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._socket.wait(RESULT_TIMEOUT_SECONDS)


@pytest.mark.parametrize("kind", LAYERS)
def test_consumers_hear_each_other(url: str, kind: str) -> None:
    async def until_somebody_waits() -> None:
        # redis-py loses the cancellation of a receiver that is still connecting.
        async with Redis.from_url(url) as redis:

            async def is_waiting() -> bool:
                return kind == "pubsub" or bool(
                    (await redis.info("clients"))["blocked_clients"] == 1
                )

            await eventually(is_waiting)

    async def flow(_: object) -> None:
        anna, ben = Person(), Person()
        await anna.enter()
        await ben.enter()
        await anna.say("hello")
        assert [await anna.hear(), await ben.hear()] == ["hello", "hello"]
        await until_somebody_waits()
        await ben.leave()
        await anna.say("alone?")
        assert await anna.hear() == "alone?"
        await until_somebody_waits()
        await anna.leave()

    run(kind, url, flow)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_channel_hands_over_in_order(url: str, kind: str) -> None:
    async def flow(layer: Any) -> None:
        channel = await layer.new_channel()
        for number in range(3):
            await layer.send(channel, {"type": "count", "number": number})
        received = [await layer.receive(channel) for _ in range(3)]
        assert [message["number"] for message in received] == [0, 1, 2]

    run(kind, url, flow)


def test_a_receiver_waits_for_a_message(url: str) -> None:
    async def flow(layer: Any) -> None:
        waiting = asyncio.create_task(layer.receive("work"))
        await asyncio.sleep(0)
        await layer.send("work", {"type": "job"})
        assert await waiting == {"type": "job"}

    run("lists", url, flow)


def test_a_full_channel_refuses_and_a_group_skips_it(url: str) -> None:
    async def flow(layer: Any) -> None:
        await layer.send("narrow", {"type": "job"})
        with pytest.raises(ChannelFull):
            await layer.send("narrow", {"type": "job"})
        await layer.group_add("all", "narrow")
        await layer.group_add("all", "wide")
        await layer.group_send("all", {"type": "note"})
        assert await layer.receive("wide") == {"type": "note"}
        assert await layer.receive("narrow") == {"type": "job"}

    run("lists", url, flow, capacity=1)


def test_a_group_is_forgotten(url: str) -> None:
    async def flow(layer: Any) -> None:
        connection = layer.connection(0)
        await layer.group_add("short", "somebody")

        async def is_gone() -> bool:
            await layer.group_send("short", {"type": "note"})
            return not await connection.exists("asgi:group:short")

        await eventually(is_gone)

    run("lists", url, flow, group_expiry=1)
