"""One bench on one database: what `python -m tests.bench` starts for each of them."""

from __future__ import annotations

import importlib
import json
import sys

import django
from django.core.management import call_command

from tests.bench.catalogue import BENCHES


def main(name: str, scale: float) -> None:
    # The figures alone go to standard output: whatever else prints, it is not in their way.
    out, sys.stdout = sys.stdout, sys.stderr
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    figures = importlib.import_module(BENCHES[name].module).run(scale)
    json.dump([figure.to_dict() for figure in figures], out)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
