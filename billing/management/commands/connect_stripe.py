"""`manage.py connect_stripe`: looks whether the key works, and has Stripe send its events here."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import stripe_gateway as gateway
from billing.refusals import RefusedError


class Command(BaseCommand):
    help = "Looks whether STRIPE_SECRET_KEY works, and has Stripe send its events to this portal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--secret",
            default="",
            help="take events signed with this secret (whsec_…), as Stripe's command line or "
            "dashboard gives it, instead of making an endpoint",
        )

    def handle(self, *args: Any, secret: str, **options: Any) -> None:
        try:
            gateway.refuse_off()
            # Only there with a key, as dj-stripe is.
            from billing.services.stripe_endpoint import connect_endpoint, keep_endpoint

            account = gateway.read_account()
            if secret and not secret.startswith("whsec_"):
                raise CommandError("--secret: expected what begins with whsec_.")
            url = keep_endpoint(secret=secret) if secret else connect_endpoint()
        except gateway.MisconfiguredError as error:
            raise CommandError(error.detail) from error
        except (gateway.GatewayError, RefusedError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The key works; it is of {account.name} ({account.id}).")
        self.stdout.write(f"Events are taken at {url}")
