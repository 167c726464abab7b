"""The admin of people, deployments, units and usage."""

from . import (
    agencies,
    clients,
    conflicts,
    corrections,
    price_again,
    prices,
    units,
    usage,
    workspaces,
)

__all__ = [
    "agencies",
    "clients",
    "conflicts",
    "corrections",
    "price_again",
    "prices",
    "units",
    "usage",
    "workspaces",
]
