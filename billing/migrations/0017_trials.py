from django.conf import settings
from django.db import migrations, models
from django.db.models import F


def say_who_asks_once(apps, _schema_editor):
    """What was asked once came with the first period of what continues nothing."""
    apps.get_model("billing", "Subscription").objects.exclude(continues=None).update(once_due=False)
    apps.get_model("billing", "BillingPeriod").objects.filter(
        subscription__continues=None, start=F("subscription__start")
    ).update(asks_once=True)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0016_questions_about_overage"),
        ("clients", "0009_window_attention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="billingperiod",
            name="asks_once",
            field=models.BooleanField(
                default=False, editable=False, help_text="Whether fees asked once are due with it."
            ),
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="is_trial",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="planversion",
            name="trial_days",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text="Local days that a subscription begins with and does not pay for.",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="once_due",
            field=models.BooleanField(
                default=True,
                editable=False,
                help_text="Whether fees that are asked once are due with its first charged period.",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="trial_until",
            field=models.DateTimeField(
                blank=True,
                help_text="It begins with a trial up to this boundary; empty: without one.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="subscriptionchange",
            name="in_trial",
            field=models.BooleanField(
                default=False, help_text="Whether it was made in a trial, with nothing charged yet."
            ),
        ),
        migrations.AlterField(
            model_name="subscriptionchange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("activated", "Activated"),
                    ("ended", "Ended"),
                    ("kept", "Goes on after all"),
                    ("dropped", "Dropped before it began"),
                    ("paused", "Paused"),
                    ("resumed", "Resumed"),
                    ("plan_changed", "Plan changed"),
                    ("upgraded", "Moved to another version"),
                    ("timezone_changed", "Time zone changed"),
                    ("trial_moved", "Trial given another end"),
                    ("trial_converted", "Trial ended early, paid from then on"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("trial_until__isnull", True),
                    ("trial_until__gt", models.F("start")),
                    _connector="OR",
                ),
                name="subscription_trial_not_empty",
            ),
        ),
        migrations.RunPython(say_who_asks_once, migrations.RunPython.noop),
    ]
