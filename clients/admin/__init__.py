"""The admin of people, deployments, units and usage."""

from . import agencies, clients, prices, units, usage, workspaces

__all__ = ["agencies", "clients", "prices", "units", "usage", "workspaces"]
