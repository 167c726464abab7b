"""Who they are, what they used, and what that cost."""

from .caps import CapBalance, CapKind, CapLevel
from .conflicts import EventConflict
from .corrections import UsageCorrection
from .parties import Agency, AgencyMember, Client, ClientMember, Party, Platform
from .people import User
from .prices import ExchangeRate, ModelPrice
from .pricings import UsagePricing
from .units import Meter, UnitTemplate, UsageUnit
from .usage import UniqueSubject, UsageDay, UsageEvent, UsageQuarter, UsageWindow
from .workspaces import CostPayer, Workspace, WorkspaceKey

__all__ = [
    "Agency",
    "AgencyMember",
    "CapBalance",
    "CapKind",
    "CapLevel",
    "Client",
    "ClientMember",
    "CostPayer",
    "EventConflict",
    "ExchangeRate",
    "Meter",
    "ModelPrice",
    "Party",
    "Platform",
    "UniqueSubject",
    "UnitTemplate",
    "UsageCorrection",
    "UsageDay",
    "UsageEvent",
    "UsagePricing",
    "UsageQuarter",
    "UsageUnit",
    "UsageWindow",
    "User",
    "Workspace",
    "WorkspaceKey",
]
