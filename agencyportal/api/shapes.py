"""What the API's answers look like, for its description: nothing is validated with these."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers


class FieldProblem(serializers.Serializer[Any]):
    """One thing that is wrong, and where."""

    index = serializers.IntegerField(allow_null=True, help_text="Place in a submitted list.")
    field = serializers.CharField(allow_null=True, help_text="Dotted path; null: as a whole.")
    message = serializers.CharField()


class RefusedByCap(serializers.Serializer[Any]):
    """Which cap refused; of the agency's own, no figures."""

    scope = serializers.CharField(help_text="workspace, client or agency.")
    kind = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    month = serializers.CharField()
    limit = serializers.CharField(required=False)
    used = serializers.CharField(required=False)
    reserved = serializers.CharField(required=False)
    left = serializers.CharField(required=False)
    set_by = serializers.CharField(required=False, allow_null=True)


class ProblemDetails(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]
    cap = RefusedByCap(required=False)


class RecordedEvents(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="New, and stored.")
    duplicates = serializers.IntegerField(help_text="Known already; the first body stands.")
    conflicts = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of duplicates whose body differs."
    )


def decimal(help_text: str, **more: Any) -> serializers.CharField:
    return serializers.CharField(help_text=f"{help_text} A decimal.", **more)


class UnitBalanceShape(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="Slug.")
    included = decimal("What the package gives for the period, rolled-over units with it.")
    granted = decimal("That and every other credit of the period: top-ups, adjustments.")
    promotional = decimal("The part of what is granted that was given as a promotion.")
    used = decimal("Counted so far.")
    reserved = decimal("Held by open reservations: a part of what remains.")
    remaining = decimal("What usage could burn now.")
    overage = decimal("The part of what is used that no credit covered.")
    cap = decimal("What usage can come to before it is refused.", allow_null=True)
    cap_left = decimal("What is neither used nor held of that.", allow_null=True)
    resets_at = serializers.DateTimeField(help_text="When the period ends.")
    policy = serializers.CharField(help_text="What happens past the last credit.")


class CapShape(serializers.Serializer[Any]):
    """A cap of the workspace or its client, in the periods that begin in a month."""

    scope = serializers.CharField(help_text="workspace or client.")
    kind = serializers.CharField(help_text="units, cost (routed) or spend (overage, top-ups).")
    unit = serializers.CharField(allow_null=True, help_text="Slug, of units.")
    currency = serializers.CharField(allow_null=True, help_text="Of money.")
    month = serializers.CharField(help_text="As in 2026-03.")
    limit = decimal("What it may come to.")
    used = decimal("Counted so far.")
    reserved = decimal("Held by open reservations.")
    left = decimal("Neither used nor held.")
    set_by = serializers.CharField(help_text="agency or client.")


class BalanceShape(serializers.Serializer[Any]):
    units = UnitBalanceShape(many=True)
    caps = CapShape(many=True)


class UsageTotalShape(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="Slug.")
    hour = serializers.DateTimeField(required=False, help_text="Its start, with group_by=hour.")
    day = serializers.DateField(required=False, help_text="Of the client, with group_by=day.")
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, help_text="With group_by=label."
    )
    model = serializers.CharField(required=False, help_text="With group_by=model.")
    quantity = decimal("Units.")
    events = serializers.IntegerField()


UsageShape: Final = type(
    "UsageShape",
    (serializers.Serializer,),
    {
        "from": serializers.DateTimeField(),
        "to": serializers.DateTimeField(),
        "group_by": serializers.CharField(allow_null=True),
        "totals": UsageTotalShape(many=True),
    },
)


class DayPartShape(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="Of the client.")
    quantity = decimal("Units.")


def _parts(name: str, help_text: str) -> Any:
    """A list of what came under each ``name``, the largest first."""
    shape = type(
        f"{name.title().replace('_', '')}PartShape",
        (serializers.Serializer,),
        {
            name: serializers.CharField(help_text=help_text),
            "quantity": decimal("Units."),
            "events": serializers.IntegerField(),
        },
    )
    return shape(many=True)


TakenShape: Final = type(
    "TakenShape",
    (serializers.Serializer,),
    {
        "from": serializers.CharField(help_text="The kind of credit, or overage."),
        "grant": serializers.IntegerField(allow_null=True, help_text="Its id; null: none yet."),
        "quantity": decimal("Units taken from it."),
        "days": DayPartShape(many=True),
        "labels": _parts("label", "Workflow or step; empty: nobody said."),
        "models": _parts("model", "Empty: nobody said."),
        "runs": _parts("run_id", "The largest runs that were named."),
    },
)


class ExplainedPeriodShape(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Exclusive.")
    state = serializers.CharField(help_text="open, closing or closed.")


class ExplanationShape(serializers.Serializer[Any]):
    unit = serializers.CharField(help_text="Slug.")
    period = ExplainedPeriodShape()
    used = decimal("What all that was taken adds up to.")
    is_provisional = serializers.BooleanField(help_text="The period is still open.")
    taken = TakenShape(many=True)


class CorrectionShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    event_id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    unit = serializers.CharField(help_text="Slug.")
    quantity = decimal("What the event counts from now on.")
    previous = decimal("What it counted until then.")
    reason = serializers.CharField()
    standing = serializers.CharField(
        help_text="counted: at the event's own time. late: settles in the open period. "
        "unbilled: the event is in no period."
    )
    recorded_at = serializers.DateTimeField()


class ReservationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    unit = serializers.CharField(help_text="Slug.")
    quantity = decimal("Units held.")
    state = serializers.CharField(help_text="open, committed, released or expired.")
    reserved_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    event = serializers.CharField(allow_null=True, help_text="Id of the committed event.")
    committed = decimal("Units that the event counts.", allow_null=True)
    overshoot = decimal("Units committed beyond what was held.")
    cost = decimal("Routed cost held, in the client's currency.")
    committed_cost = decimal("What the event cost.", allow_null=True)
    cost_overshoot = decimal("Cost committed beyond what was held.")
