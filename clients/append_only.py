"""What of `clients` is written once: events, for all that money rests on them.

An event's standing may change while its period is open, when billing opens a window over usage
that came before it (services/windows.py); nothing else of it does.
"""

from __future__ import annotations

from agencyportal.core.append_only import protect

protect("clients.UsageEvent", mutable=("standing",))
protect("clients.EventConflict", mutable=("settled_at", "settled_by", "remark"))

# What an event counts after all: a row of its own, as final as the event.
protect("clients.UsageCorrection")

# What an event cost after all, once a price or a rate is known.
protect("clients.UsagePricing")
