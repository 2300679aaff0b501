"""An HTTP server of a language model with continuous batching, whose answers have the energy of their request.

    python3 examples/python/inference_server.py [PORT]
    curl -d '{"prompt": "the quick brown fox", "max_tokens": 20}' http://127.0.0.1:8000/generate

Requests that run at the same time share the device. So the energy of each step of the engine is divided among the requests by the
tokens that it computed for them, and what lies between steps is idle. The model is a stand-in: arithmetic for each token.
"""

import asyncio
import itertools
import json
import sys

import eco2


def compute(tokens):
    """A stand-in for a step of the model."""
    return sum(number * number for number in range(30_000 * tokens))


class Engine:
    """Computes a token of every open request in each step, and the whole prompt of a new one."""

    def __init__(self, meter):
        self.meter, self.waiting, self.left = meter, {}, {}
        self.work, self.numbers = asyncio.Event(), itertools.count(1)

    async def generate(self, prompt_tokens, max_tokens):
        """Waits until the tokens are computed, and returns the request's number and energy."""
        number, done = next(self.numbers), asyncio.get_running_loop().create_future()
        self.waiting[number] = prompt_tokens
        self.left[number] = (max_tokens, done)
        self.work.set()
        return number, await done

    async def run(self):
        """The engine's loop."""
        while True:
            await self.work.wait()
            self.meter.request_step()  # what was used since the last step is of no request
            while self.left:
                prompts, self.waiting = self.waiting, {}
                step = {number: prompts.get(number, 1) for number in self.left}
                await asyncio.to_thread(compute, sum(step.values()))
                self.meter.request_step(step)
                for number in step:
                    self.advance(number)
            self.work.clear()

    def advance(self, number):
        """Counts a token, and ends the request with its last one."""
        left, done = self.left[number]
        self.left[number] = (left - 1, done)
        if left <= 1:
            del self.left[number]
            energy = self.meter.request_end(number)
            if not done.cancelled():
                done.set_result(energy)


async def answer(engine, reader, writer):
    """Answers one HTTP request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next((int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
    try:
        asked = json.loads(await reader.readexactly(length))
        number, energy = await engine.generate(len(asked["prompt"].split()) or 1, int(asked.get("max_tokens", 16)))
        status, found = "200 OK", {"request": number, "tokens": energy.tokens, "joules": energy.joules,
                                   "joules_per_token": energy.joules_per_token}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        status, found = "400 Bad Request", {"error": f"expected a JSON object with a prompt: {error!r}"}
    body = json.dumps(found).encode()
    writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()


async def serve(meter, port, started=None):
    """Serves on this computer until cancelled; port 0 is a free one, which `started` gets."""
    engine = Engine(meter)
    server = await asyncio.start_server(lambda reader, writer: answer(engine, reader, writer), "127.0.0.1", port)
    if started is not None:
        started(server.sockets[0].getsockname()[1])
    async with server:
        await engine.run()


def main(port):
    """Serves until Ctrl-C, and prints the sums."""
    with eco2.Meter(name="inference", zone="DE") as meter:
        try:
            asyncio.run(serve(meter, port, lambda port: print(f"http://127.0.0.1:{port}/generate", flush=True)))
        except KeyboardInterrupt:
            pass
        meter.request_step()
        print(meter.requests())
        print(meter.report("text"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
