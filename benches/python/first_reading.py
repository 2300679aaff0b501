"""CPU time of `import eco2` and the first reading in a fresh interpreter, milliseconds: import, then both."""

from time import process_time

begun = process_time()
import eco2  # noqa: E402

imported = process_time()
meter = eco2.Meter()
while meter.now() is None:
    pass
print((imported - begun) * 1e3, (process_time() - begun) * 1e3)
