"""Current intensities and those of the training's own time, from a service on the loopback, and what is reported where none answers."""

from __future__ import annotations

import json
import os
import threading
import unittest
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List

from hf_rig import HfTest, Loop

import hf_eco2ai as h
from hf_eco2ai import CarbonConfig, ConfigurationError, Eco2AICallback, meter_options, place

HALF_HOUR = timedelta(minutes=30)


def half_hours(figure: float) -> bytes:
    """A day around now, all of one value, in the form of NESO's service."""
    now = datetime.now(timezone.utc)
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=12)
    starts = [first + index * HALF_HOUR for index in range(48)]
    written = "%Y-%m-%dT%H:%MZ"
    return json.dumps({"data": [{"from": start.strftime(written), "to": (start + HALF_HOUR).strftime(written),
                                 "intensity": {"forecast": figure, "actual": figure if start < now else None}}
                                for start in starts]}).encode()


class Service:
    """A web service on the loopback with one answer, and the headers of those who asked."""

    def __init__(self, status: int, body: bytes) -> None:
        asked: List[Dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(dict(self.headers))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.asked = asked
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class LiveTest(HfTest):
    """With a cache of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.set_env("XDG_CACHE_HOME", os.path.join(self.folder, "cache"))
        self.set_env(place.TOKEN, None)

    def carbon(self, **options: Any) -> Dict[str, Any]:
        """The carbon part of a short training's report."""
        callback = Eco2AICallback(**self.options(**options))
        loop = Loop(callback)
        loop.begin()
        loop.batches(2)
        self.machine.turn(callback.session.meter, 1_000_000)
        return loop.end().eco2["carbon"]


class Provider(LiveTest):
    """`CarbonIntensityProvider(provider=...)`."""

    def test_the_figure_of_now_and_until_when_it_holds(self) -> None:
        now = [datetime.now(timezone.utc)]
        with Service(200, half_hours(123)) as service:
            live = h.CarbonIntensityProvider(country="GB", provider="neso", provider_url=service.base, clock=lambda: now[0])
            self.assertEqual((live.get_carbon_intensity(), live.is_live, live.is_default), (123, True, False))
            self.assertEqual((live.entry["kind"], live.entry["zone"]), ("direct-average-consumption", "GB"))
            self.assertIn("NESO", live.source)
            self.assertIsNotNone(live.get_renewable_percentage())
            before = live.entry
            self.assertIs(before, live.entry if live.get_carbon_intensity() else None)
            now[0] += timedelta(days=1)
            live.get_carbon_intensity()
            self.assertIsNot(live.entry, before, "once the slot is over it asks again")

    def test_f44_where_no_provider_answers_the_yearly_value_is_used_with_the_reason(self) -> None:
        with Service(403, b"") as service:
            live = h.CarbonIntensityProvider("GB", provider="neso", provider_url=service.base)
            self.assertEqual(live.get_carbon_intensity(), h.CarbonIntensityProvider("GB").get_carbon_intensity())
            self.assertFalse(live.is_live)
            self.assertIn("403", live.entry["chain"][0]["fault"])

    def test_d14_what_cannot_be_asked_is_an_error(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "needs a place"):
            h.CarbonIntensityProvider(provider="neso")
        with self.assertRaisesRegex(ConfigurationError, "ECO2_TOKEN_ELECTRICITY_MAPS"):
            h.CarbonIntensityProvider("DE", provider="electricity-maps")
        with self.assertRaisesRegex(ConfigurationError, "nowhere"):
            h.CarbonIntensityProvider("DE", provider="nowhere")
        own = h.CarbonIntensityProvider("DE", grid_carbon_intensity=5, provider="neso")
        self.assertEqual((own.get_carbon_intensity(), own.is_live), (5, False))

    def test_a_forecast_is_planned_with_and_d17_none_is_invented(self) -> None:
        with Service(200, half_hours(50)) as service:
            scheduler = h.LowCarbonScheduler(provider="neso", country="GB", provider_url=service.base, flexibility_hours=2)
            window = scheduler.find_low_carbon_window(1)
            self.assertEqual((window.carbon_reduction, window.kind), (0, "direct-average-consumption"))
        with Service(200, b'{"data": []}') as service:
            scheduler = h.LowCarbonScheduler(provider="neso", country="GB", provider_url=service.base)
            with self.assertRaisesRegex(ConfigurationError, "no value for that time"):
                scheduler.find_low_carbon_window(1)


class Options(LiveTest):
    """Options of CarbonConfig that ask."""

    def test_effect_use_real_time_carbon(self) -> None:
        with Service(200, half_hours(123)) as service:
            carbon = self.carbon(use_real_time_carbon=True, intensity_provider="neso", country="GB",
                                 meter_options={"provider_url": service.base})
        self.assertEqual({segment["g_per_kwh"] for segment in carbon["segments"]}, {123})

    def test_effect_intensity_provider(self) -> None:
        config = CarbonConfig(use_real_time_carbon=True, intensity_provider="electricity-maps, neso")
        self.assertEqual(meter_options.options(config)["intensity_provider"], ["electricity-maps", "neso"])
        with self.warnings() as heard:
            silent = CarbonConfig(intensity_provider="neso", co2_signal_api_token="hush")
            CarbonConfig(use_real_time_carbon=True)
            CarbonConfig(use_real_time_carbon=True, intensity_provider="neso", grid_carbon_intensity=3)
        self.assertNotIn("intensity_provider", meter_options.options(silent))
        self.assertIn("without use_real_time_carbon", heard[0])
        self.assertIn("no provider is named", heard[2])
        self.assertNotIn("hush", "".join(heard))

    def test_effect_co2_signal_api_token(self) -> None:
        with Service(401, b"") as service:
            carbon = self.carbon(use_real_time_carbon=True, co2_signal_api_token="hush", zone="DE",
                                 meter_options={"provider_url": service.base})
        self.assertTrue(any("hush" in headers.values() for headers in service.asked), service.asked)
        self.assertTrue(all(segment["estimated"] for segment in carbon["segments"]), "refused: the yearly figure, flagged")
        self.assertNotIn("hush", json.dumps(carbon))

    def test_a_provider_that_cannot_be_asked_costs_no_measurement(self) -> None:
        with self.warnings() as heard:
            carbon = self.carbon(use_real_time_carbon=True, intensity_provider="electricity-maps", zone="DE")
        self.assertEqual(carbon["zone"], "DE")
        self.assertTrue(any("ECO2_TOKEN_ELECTRICITY_MAPS" in text for text in heard), heard)

    def test_effect_latitude(self) -> None:
        carbon = self.carbon(latitude=40.4, longitude=-3.7)
        self.assertEqual((carbon["zone"], carbon["zone_source"]), ("ES", "coordinates"))

    def test_effect_longitude(self) -> None:
        self.assertEqual(place.located(CarbonConfig(latitude=0, longitude=37)), "0.0,37.0")
        with self.warnings() as heard:
            CarbonConfig(longitude=1)
            silent = CarbonConfig(latitude=40.4, longitude=-3.7, zone="FR")
        self.assertIsNone(place.located(silent))
        self.assertIn("give latitude and longitude", heard[0])
        self.assertIn("the place is given as FR", heard[1])

    def test_effect_auto_detect_location(self) -> None:
        self.assertEqual(meter_options.options(CarbonConfig(auto_detect_location=True))["locate"], "cloud")
        self.assertNotIn("locate", meter_options.options(CarbonConfig()))
        with Service(404, b"") as service:
            self.set_env("ECO2_METADATA_URL", service.base)
            carbon = self.carbon(auto_detect_location=True)
            self.assertEqual((carbon["zone_source"], len(service.asked) > 0), ("default-world", True))


if __name__ == "__main__":
    unittest.main()
