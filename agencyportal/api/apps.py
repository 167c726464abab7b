from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    name = "agencyportal.api"
    verbose_name = _("API")

    def ready(self) -> None:
        from agencyportal.api.checks import check_shared_cache

        checks.register(check_shared_cache, checks.Tags.caches)
