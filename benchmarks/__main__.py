"""Run the named benchmarks, or those that take under a minute."""

from __future__ import annotations

import importlib
import sys

QUICK = ("hotpath", "speed")


def main() -> None:
    for name in sys.argv[1:] or QUICK:
        print(f"== {name}")
        importlib.import_module(f"benchmarks.{name}").run()


main()
