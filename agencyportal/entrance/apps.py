from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EntranceConfig(AppConfig):
    name = "agencyportal.entrance"
    verbose_name = _("Entrance")
