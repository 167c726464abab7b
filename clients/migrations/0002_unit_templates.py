"""The catalogue of units that clients understand, by the kind of automation they suit."""

from django.db import migrations

TEMPLATES = (
    # slug, automation, name, plural, aggregation
    ("conversation", "Support automation", "conversation", "conversations", "unique"),
    ("ticket-summary", "Support automation", "ticket summary", "ticket summaries", "count"),
    ("resolved-ticket", "Support automation", "resolved ticket", "resolved tickets", "unique"),
    ("answer", "Support automation", "answer", "answers", "count"),
    ("escalation", "Support automation", "escalation", "escalations", "count"),
    ("qualified-lead", "Lead qualification", "qualified lead", "qualified leads", "unique"),
    ("enriched-account", "Lead qualification", "enriched account", "enriched accounts", "unique"),
    (
        "scored-form-submission",
        "Lead qualification",
        "scored form submission",
        "scored form submissions",
        "count",
    ),
    ("lead-scored", "CRM and sales", "lead scored", "leads scored", "unique"),
    ("note-summarised", "CRM and sales", "note summarised", "notes summarised", "count"),
    ("follow-up-drafted", "CRM and sales", "follow-up drafted", "follow-ups drafted", "count"),
    ("page", "Document workflow", "page", "pages", "count"),
    ("file", "Document workflow", "file", "files", "count"),
    ("review", "Document workflow", "review", "reviews", "count"),
    ("summary", "Document workflow", "summary", "summaries", "count"),
    ("extracted-record", "Document workflow", "extracted record", "extracted records", "count"),
    (
        "invoice-processed",
        "Invoice and contract processing",
        "invoice processed",
        "invoices processed",
        "count",
    ),
    (
        "contract-summarised",
        "Invoice and contract processing",
        "contract summarised",
        "contracts summarised",
        "count",
    ),
    (
        "documents-compared",
        "Invoice and contract processing",
        "document compared",
        "documents compared",
        "count",
    ),
    (
        "entities-extracted",
        "Invoice and contract processing",
        "entity extracted",
        "entities extracted",
        "count",
    ),
    ("content-draft", "CMS and website", "content draft", "content drafts", "count"),
    ("rewrite", "CMS and website", "rewrite", "rewrites", "count"),
    ("faq", "CMS and website", "FAQ", "FAQs", "count"),
    (
        "lead-qualification",
        "CMS and website",
        "lead qualification",
        "lead qualifications",
        "count",
    ),
    ("product-enriched", "E-commerce", "product enriched", "products enriched", "count"),
    ("review-summary", "E-commerce", "review summary", "review summaries", "count"),
    ("recommendation", "E-commerce", "recommendation", "recommendations", "count"),
    ("support-response", "E-commerce", "support response", "support responses", "count"),
    ("prompt", "Internal AI portal", "prompt", "prompts", "count"),
    ("task", "Internal AI portal", "task", "tasks", "count"),
    ("report", "Internal AI portal", "report", "reports", "count"),
    ("policy-search", "Internal AI portal", "policy search", "policy searches", "count"),
    ("workflow-run", "Internal AI portal", "workflow run", "workflow runs", "unique"),
    ("action-bundle", "Internal AI portal", "action bundle", "action bundles", "count"),
    ("workspace", "White-label deployment", "workspace", "workspaces", "unique"),
    (
        "client-deployment",
        "White-label deployment",
        "client deployment",
        "client deployments",
        "unique",
    ),
    (
        "white-label-action-bundle",
        "White-label deployment",
        "action bundle",
        "action bundles",
        "count",
    ),
)


def add_templates(apps, _schema_editor):
    UnitTemplate = apps.get_model("clients", "UnitTemplate")
    UnitTemplate.objects.bulk_create(
        UnitTemplate(
            slug=slug,
            automation=automation,
            name=name,
            plural=plural,
            aggregation=aggregation,
            position=position,
        )
        for position, (slug, automation, name, plural, aggregation) in enumerate(TEMPLATES, 1)
    )


def remove_templates(apps, _schema_editor):
    UnitTemplate = apps.get_model("clients", "UnitTemplate")
    UnitTemplate.objects.filter(slug__in=[row[0] for row in TEMPLATES]).delete()


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_people_units_and_usage")]

    operations = [migrations.RunPython(add_templates, remove_templates)]
