"""A small reverse proxy: ``python reverse_proxy.py PORT UPSTREAM_PORT PREFIX keep|strip``.

Requests under PREFIX go to the service, with the prefix or without; all else is 404, so that an
address that leaves the prefix fails. As proxies do, it tells of itself in X-Forwarded headers.
"""

from __future__ import annotations

import asyncio
import sys


async def read_head(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *headers = head[:-4].split(b"\r\n")
    return first, headers


def value(headers: list[bytes], name: bytes) -> bytes:
    for header in headers:
        key, _, text = header.partition(b":")
        if key.lower() == name:
            return text.strip()
    return b""


async def main(port: int, upstream: int, prefix: str, keep: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await forward(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, headers = await read_head(reader)
        method, target, version = first.split(b" ")
        body = await reader.readexactly(int(value(headers, b"content-length") or 0))
        path = target.decode()
        if path != prefix and not path.startswith(f"{prefix}/"):
            writer.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            return
        if not keep:
            path = path[len(prefix) :] or "/"
        kept = [
            header
            for header in headers
            if header.partition(b":")[0].lower() not in (b"connection", b"x-forwarded-proto")
        ]
        kept += [
            b"Connection: close",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-For: 203.0.113.7",
        ]
        there, to_service = await asyncio.open_connection("127.0.0.1", upstream)
        to_service.write(
            b"\r\n".join([b" ".join([method, path.encode(), version]), *kept, b"", body])
        )
        await to_service.drain()
        while chunk := await there.read(65536):
            writer.write(chunk)
            await writer.drain()
        to_service.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "keep"))
