from django.db import migrations, models

DOCUMENTS = ("invoicedocument", "creditnotedocument")


def files_of(model):
    return [
        migrations.AddField(
            model_name=model,
            name="xml_gaps",
            field=models.TextField(
                blank=True,
                help_text="What EN 16931 asks for and it does not have.",
                verbose_name="no e-invoice because",
            ),
        ),
        migrations.AddField(
            model_name=model,
            name="xml_sha256",
            field=models.CharField(blank=True, max_length=64, verbose_name="SHA-256 of the XML"),
        ),
        migrations.AddField(
            model_name=model,
            name="xml_size",
            field=models.PositiveBigIntegerField(
                blank=True, help_text="Bytes.", null=True, verbose_name="size of the XML"
            ),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_tax_decided_by_rule")]

    operations = [operation for model in DOCUMENTS for operation in files_of(model)]
