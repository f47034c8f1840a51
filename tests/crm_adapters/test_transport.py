import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from actors.model.outcomes import Ambiguous, Failure, Permanent, Throttled, Transient
from crm_adapters.transport import Call, Reply, Transport, TransportSettings, open_transport, retry_after_s


@asynccontextmanager
async def server(*answers: bytes | None) -> AsyncGenerator[tuple[str, list[bytes]], None]:
    """Answer one request a connection part with each of ``answers`` in turn; None closes instead."""
    seen: list[bytes] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                seen.append(await reader.readuntil(b"\r\n\r\n"))
                answer = left.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", seen


def answer(status: int = 200, body: str = '{"ok": true}', *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@asynccontextmanager
async def transport(**settings: float) -> AsyncGenerator[Transport, None]:
    async with open_transport(TransportSettings(**settings)) as opened:  # type: ignore[arg-type]
        yield opened


async def sent(url: str, *, writes: bool = True, method: str = "PUT", **settings: float) -> Reply | Failure:
    async with transport(**settings) as opened:
        return await opened.send(Call(method=method, url=f"{url}/orders?secret=canary", writes=writes))


async def test_a_json_answer_is_a_reply_with_lower_case_headers() -> None:
    async with server(answer(201, '{"id": 1}', "X-Thing: 7")) as (url, _):
        reply = await sent(url)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.headers["x-thing"]) == (201, {"id": 1}, "7")


@pytest.mark.parametrize(
    "said",
    [None, answer(500), answer(503), answer(408), answer(302, "", "Location: /"), answer(200, "{"), b"no HTTP\r\n\r\n"],
    ids=["closed", "500", "503", "408", "redirect", "half a JSON", "garbage"],
)
async def test_no_final_answer_is_ambiguous_for_writes_and_transient_for_reads(said: bytes | None) -> None:
    async with server(said, said) as (url, seen):
        assert isinstance(await sent(url), Ambiguous)
        assert isinstance(await sent(url, writes=False, method="GET"), Transient)
        assert len(seen) == 2


async def test_an_answer_that_nests_too_deep_is_no_json() -> None:
    async with server(answer(200, "[" * 100_000)) as (url, _):
        reply = await sent(url, writes=False)
    assert isinstance(reply, Transient)
    assert reply.reason.endswith("a body that is no JSON")


async def test_silence_after_the_request_left_is_ambiguous() -> None:
    async with server(b"HTTP/1.1 200 Said\r\nContent-Length: 5\r\n\r\n{") as (url, _):
        assert isinstance(await sent(url, read_s=0.3), Ambiguous)


async def test_an_answer_over_the_cap_is_not_read_to_the_end() -> None:
    async with server(answer(200, '"' + "x" * 5000 + '"')) as (url, _):
        outcome = await sent(url, body_cap=1000)
    assert isinstance(outcome, Ambiguous)
    assert "larger than 1000 bytes" in outcome.reason


async def test_a_put_into_a_broken_kept_alive_connection_is_not_replayed() -> None:
    async with server(answer(), None, answer()) as (url, seen), transport() as opened:
        call = Call(method="PUT", url=url, writes=True)
        assert isinstance(await opened.send(call), Reply)
        assert isinstance(await opened.send(call), Ambiguous)
        assert len(seen) == 2


async def test_what_never_left_is_transient() -> None:
    async with server() as (url, _):
        pass
    assert isinstance(await sent(url), Transient)


async def test_a_failed_tls_handshake_is_transient_for_a_write() -> None:
    async def speak_no_tls(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(speak_no_tls, "127.0.0.1", 0)
    async with listener:
        outcome = await sent(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    assert isinstance(outcome, Transient)
    assert "SSL" in outcome.reason


async def test_a_header_that_would_smuggle_another_is_refused_before_anything_is_sent() -> None:
    async with server(answer()) as (url, seen), transport() as opened:
        outcome = await opened.send(Call(method="GET", url=url, writes=False, headers={"X": "a\r\nY: b"}))
        assert isinstance(outcome, Permanent)
        assert seen == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with server(answer()) as (url, _):
        assert isinstance(await sent(url), Reply)


async def test_throttling_names_the_seconds() -> None:
    async with server(answer(429, "", "Retry-After: 12")) as (url, _):
        outcome = await sent(url)
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after_s == 12


async def test_neither_a_call_nor_its_failures_show_query_headers_or_body() -> None:
    headers = {"Authorization": "Bearer canary"}
    call = Call(
        method="POST", url="http://h/p?t=canary", writes=True, headers=headers, form={"client_secret": "canary"}
    )
    assert "canary" not in repr(call)
    async with server(None) as (url, _):
        assert "canary" not in repr(await sent(url))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("86400", 3600.0),
        ("inf", 3600.0),
        ("nan", 5.0),
        ("soon", 5.0),
        ("", 5.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_has_bounds(text: str, seconds: float) -> None:
    assert retry_after_s({"retry-after": text, "date": "Sun, 22 Nov 2026 10:00:00 GMT"}) == seconds


async def test_who_is_cancelled_in_the_moment_of_the_deadline_ends() -> None:
    loop = asyncio.get_running_loop()
    async with server(b"", b"") as (url, seen), asyncio.TaskGroup() as group:
        sending = group.create_task(sent(url, read_s=5.0, total_s=1.0))
        while not seen:  # noqa: ASYNC110 - the server is a list
            await asyncio.sleep(0.01)
        loop.call_later(0.01, time.sleep, 1.2)  # deadline and cancel are both due when the loop goes on
        loop.call_later(1.1, sending.cancel)
    assert sending.cancelled()
