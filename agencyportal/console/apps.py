from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class ConsoleConfig(AppConfig):
    default = True
    name = "agencyportal.console"
    verbose_name = _("Console")


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """Django's admin with our site as ``admin.site``: ``@admin.register`` finds it by itself."""

    default = False
    default_site = "agencyportal.console.site.ConsoleSite"
