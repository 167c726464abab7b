from django.apps import AppConfig


class SamplesConfig(AppConfig):
    """Models that exist for the suite alone, to try the shared fields and guards on."""

    name = "tests.samples"
    label = "samples"
