"""The command line: runs each bench on each database in a process of its own, prints its table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from tests.bench import databases
from tests.bench.catalogue import BENCHES
from tests.bench.figures import Figure, table

VENDORS = ("sqlite", "postgresql")


def main() -> int:
    parser = _parser()
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.benches if name not in BENCHES]:
        parser.error(f"no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    vendors = [arguments.on] if arguments.on else list(VENDORS)
    if "postgresql" in vendors and not databases.has_postgresql():
        print(f"No PostgreSQL at {databases.server_url()}; DATABASE_URL names another.")  # noqa: T201
        vendors.remove("postgresql")
    failed = [
        f"{name} on {vendor}"
        for name in arguments.benches or list(BENCHES)
        for vendor in vendors
        if not _run(name, vendor, arguments.scale)
    ]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201
    return 1 if failed or not vendors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measures the portal beside its floors.",
        epilog="\n".join(f"{name:14}{bench.about}" for name, bench in BENCHES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benches", nargs="*", metavar="bench", help="which (default: all)")
    parser.add_argument("--on", choices=VENDORS, help="one database alone (default: both)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="a share of each bench's size (default: 1)"
    )
    return parser


def _run(name: str, vendor: str, scale: float) -> bool:
    """Run one bench; its figures come back as JSON, its progress goes to standard error."""
    with databases.environment(vendor) as environ:
        command = [sys.executable, "-m", "tests.bench.stage", name, str(scale)]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return False
    figures = [Figure(**line) for line in json.loads(done.stdout)]
    print(f"\n{name} on {vendor}\n\n{table(figures)}\n", flush=True)  # noqa: T201
    return True


if __name__ == "__main__":
    sys.exit(main())
