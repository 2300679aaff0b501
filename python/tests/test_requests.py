"""Energy of requests that an inference server answers at the same time."""

import asyncio
import importlib.util
import json
import random
import time
import unittest
import urllib.error
import urllib.request

import eco2
from fixture import ROOT, Case


def example():
    """The server of examples/python, as a module."""
    spec = importlib.util.spec_from_file_location("inference_server", ROOT / "examples/python/inference_server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def post(port: int, body: bytes) -> dict:
    """The answer of the server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/generate", data=body, timeout=60) as answer:
        return json.load(answer)


def wait_known(meter: eco2.Meter) -> None:
    """Waits for the first readings: what is divided before them is not known."""
    while meter.now() is None:
        time.sleep(0.001)


class Requests(Case):
    def test_requests_and_idle_add_up_to_the_energy_to_the_microjoule(self):
        meter, draw = self.meter(), random.Random(5)
        wait_known(meter)
        ended = []
        for _ in range(300):
            meter.request_step({f"r{draw.randrange(8)}": draw.randrange(500) for _ in range(draw.randrange(6))})
            if draw.random() < 0.2:
                ended.append(meter.request_end(f"r{draw.randrange(8)}"))
        before = meter.now()
        meter.request_step()
        after, all_of_them = meter.now(), meter.requests()
        still_open = [request for request in (meter.request(f"r{number}") for number in range(8)) if request]
        ended = [request for request in ended if request]
        self.assertEqual((all_of_them.finished, all_of_them.open), (len(ended), len(still_open)))
        self.assertEqual(all_of_them.energy_uj, sum(request.energy_uj for request in ended + still_open))
        self.assertEqual(all_of_them.tokens, sum(request.tokens for request in ended + still_open))
        self.assertTrue(all_of_them.complete)
        self.assertLessEqual(before.energy_uj, all_of_them.energy_uj + all_of_them.idle_uj)
        self.assertLessEqual(all_of_them.energy_uj + all_of_them.idle_uj, after.energy_uj)

    def test_request_is_open_from_its_first_step_until_it_ends(self):
        meter = self.meter()
        self.assertIsNone(meter.request("a"))
        self.assertIsNone(meter.request_end("a"))
        meter.request_step({"a": 200, ("b", 1): 1})
        self.assertEqual((meter.request("a").tokens, meter.request(("b", 1)).tokens), (200, 1))
        self.assertEqual(meter.request_end("a").tokens, 200)
        self.assertIsNone(meter.request_end("a"))
        meter.request_step({"a": 3})
        self.assertEqual(meter.request("a").tokens, 3, "the same key later is another request")
        meter.close()
        self.assertEqual((meter.requests().finished, meter.requests().open, meter.requests().tokens), (1, 2, 204))
        with self.refused("ECO2_ERR_CLOSED"):
            meter.request_step({"a": 3})

    def test_joules_per_token(self):
        request = eco2.Request(4, 2_000_000, True)
        self.assertEqual((request.joules, request.joules_per_token), (2.0, 0.5))
        self.assertIsNone(eco2.Request(0, 5, True).joules_per_token)
        self.assertIsNone(eco2.Request(4, None, False).joules_per_token)

    def test_energy_that_is_not_known_is_none(self):
        meter = self.meter(sources=["nvml"], estimate=False)
        meter.request_step({"a": 5})
        self.assertEqual(meter.request_end("a"), (5, None, False))
        found = meter.requests()
        self.assertEqual((found.energy_uj, found.complete, found.p50_uj_per_token), (None, False, None))

    def test_wrong_tokens_are_named_and_nothing_is_divided(self):
        meter = self.meter()
        for tokens, word in (({"a": -1}, "tokens of 'a' is -1"), ({"a": "x"}, "'x'"), (7, "int"), ([1], "list")):
            with self.refused("ECO2_ERR_ARGUMENT", word):
                meter.request_step(tokens)
        self.assertEqual(meter.requests().open, 0)


class Server(Case):
    """The example, asked over HTTP by several clients at once."""

    def test_answers_have_their_energy_and_the_sum_is_that_of_the_meter(self):
        server, meter = example(), self.meter()
        wait_known(meter)

        async def clients():
            started = asyncio.get_running_loop().create_future()
            serving = asyncio.create_task(server.serve(meter, 0, started.set_result))
            port = await started
            ask = [json.dumps({"prompt": "word " * words, "max_tokens": tokens}).encode() for words, tokens in ((40, 5), (3, 9), (1, 2))]
            answers = await asyncio.gather(*(asyncio.to_thread(post, port, body) for body in ask))
            with self.assertRaises(urllib.error.HTTPError) as refused:
                await asyncio.to_thread(post, port, b"[]")
            refused.exception.close()
            serving.cancel()
            return answers, refused.exception.code

        answers, code = asyncio.run(clients())
        self.assertEqual(code, 400)
        # A prompt is one step, each further token one more.
        self.assertEqual([answer["tokens"] for answer in answers], [44, 11, 2])
        found = meter.requests()
        self.assertEqual((found.finished, found.open, found.tokens), (3, 0, 57))
        self.assertEqual(round(sum(answer["joules"] for answer in answers) * 1e6), found.energy_uj)
        self.assertLessEqual(found.energy_uj + found.idle_uj, meter.now().energy_uj)
        self.assertLessEqual(found.p50_uj_per_token, found.p95_uj_per_token)


if __name__ == "__main__":
    unittest.main()
