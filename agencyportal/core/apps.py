from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "agencyportal.core"
    label = "core"
    verbose_name = _("Core")

    def ready(self) -> None:
        from agencyportal.core import append_only_triggers, serializers
        from agencyportal.core.checks import check_append_only, check_tenancy

        autodiscover_modules("append_only")
        pre_migrate.connect(append_only_triggers.before_migrate)
        post_migrate.connect(append_only_triggers.after_migrate)
        checks.register(check_tenancy, checks.Tags.models)
        checks.register(check_append_only, checks.Tags.models)
        serializers.register()
