from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_late_draws"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingperiod",
            name="asks_fees",
            field=models.BooleanField(
                default=True,
                help_text="Whether fees begin with it; no: an earlier one asked for its time.",
            ),
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="fees_end",
            field=models.DateTimeField(
                blank=True,
                help_text="Until when its fees are asked for; empty: until it ends.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="fees_full_end",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="billingperiod",
            name="fees_full_start",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="periodmove",
            name="fees_end_after",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="periodmove",
            name="fees_end_before",
            field=models.DateTimeField(
                blank=True,
                help_text="Where its fees are asked for longer than it lasts.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="periodmove",
            name="fees_full_end_after",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="periodmove",
            name="fees_full_end_before",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="planversion",
            name="allowance_interval",
            field=models.CharField(
                blank=True,
                choices=[("month", "Monthly"), ("quarter", "Quarterly"), ("year", "Yearly")],
                default="",
                help_text="Of the periods, where it is shorter than that of the fees; else empty.",
                max_length=10,
                verbose_name="allowances' interval",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingperiod",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("fees_end__isnull", True),
                        ("fees_full_end__isnull", True),
                        ("fees_full_start__isnull", True),
                    ),
                    models.Q(
                        ("asks_fees", True),
                        ("fees_end__gt", models.F("start")),
                        ("fees_full_end__isnull", False),
                        ("fees_full_start__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="period_fees_end_with_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("allowance_interval", ""),
                    models.Q(
                        ("allowance_interval__in", ("month", "quarter")), ("interval", "year")
                    ),
                    models.Q(("allowance_interval", "month"), ("interval", "quarter")),
                    _connector="OR",
                ),
                name="plan_version_allowance_interval_shorter",
            ),
        ),
    ]
