"""Every error of the API is a problem document (RFC 9457), and says nothing of our insides."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import exceptions as django_errors
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from rest_framework import (
    authentication,
    exceptions,
    parsers,
    permissions,
    serializers,
    throttling,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from agencyportal.core import problems
from agencyportal.core.problems import FieldError, Problem, ProblemError, problem_of


class Item(serializers.Serializer):
    unit = serializers.CharField()
    tokens = serializers.DictField(child=serializers.IntegerField(), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["unit"] == "nothing":
            raise serializers.ValidationError("Name a unit that exists.")
        return attrs


class Bearer(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization") == "Bearer wrong":
            raise exceptions.AuthenticationFailed("This key is not known.")

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class Slow(throttling.BaseThrottle):
    def allow_request(self, request: Request, view: APIView) -> bool:
        return "slow" not in request.GET

    def wait(self) -> float:
        return 11.2


class Items(APIView):
    authentication_classes = (Bearer,)
    permission_classes: tuple[type[permissions.BasePermission], ...] = ()
    parser_classes = (parsers.JSONParser,)
    throttle_classes = (Slow,)

    def post(self, request: Request) -> Response:
        many = isinstance(request.data, list)
        serializer = Item(data=request.data, many=many)
        serializer.is_valid(raise_exception=True)
        return Response({"accepted": True})

    def get(self, request: Request) -> Response:
        raise {
            "missing": Http404("table clients_client has no such row"),
            "forbidden": django_errors.PermissionDenied("internal reason"),
            "large": django_errors.RequestDataTooBig("settings say 5 MB"),
            "anonymous": exceptions.NotAuthenticated(),
            "model": django_errors.ValidationError({"quantity": ["Not negative."]}),
            "model rule": django_errors.ValidationError("Ends before it starts."),
            "cap": ProblemError(
                Problem(
                    402,
                    "The cap is reached.",
                    title="Cap reached",
                    type="https://portal.example/problems/cap",
                    headers={"Retry-After": "60"},
                )
            ),
            "bug": ZeroDivisionError("secret password in /srv/app"),
        }[request.GET["raise"]]


class Private(Items):
    permission_classes = (permissions.IsAuthenticated,)


def page(request: HttpRequest) -> HttpResponse:
    raise django_errors.PermissionDenied


urlpatterns = [
    path("api/items", Items.as_view()),
    path("api/private", Private.as_view()),
    path("api/page", page),
    path("page", page),
    path("", page, name="home"),  # where error pages lead back to
]
handler400 = "agencyportal.core.problems.bad_request"
handler403 = "agencyportal.core.problems.permission_denied"
handler404 = "agencyportal.core.problems.not_found"
handler500 = "agencyportal.core.problems.server_error"


@pytest.fixture
def api():
    with override_settings(ROOT_URLCONF=__name__):
        yield APIClient(raise_request_exception=False)


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    return body


def test_a_wrong_object_names_its_fields(api: APIClient):
    body = problem(api.post("/api/items", {"tokens": {"in": "many"}}), 400)
    assert body == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "2 things are wrong with what was sent; nothing was stored.",
        "errors": [
            {"index": None, "field": "unit", "message": "This field is required."},
            {"index": None, "field": "tokens.in", "message": "A valid integer is required."},
        ],
    }


def test_a_wrong_list_names_the_places(api: APIClient):
    sent = [{"unit": "page"}, {}, {"unit": "page"}, {"unit": "nothing"}]
    body = problem(api.post("/api/items", sent), 400)
    assert body["errors"] == [
        {"index": 1, "field": "unit", "message": "This field is required."},
        {"index": 3, "field": None, "message": "Name a unit that exists."},
    ]


def test_the_only_error_is_the_detail(api: APIClient):
    body = problem(api.post("/api/items", {"unit": "nothing"}), 400)
    assert body["detail"] == "Name a unit that exists."
    assert body["errors"] == [{"index": None, "field": None, "message": body["detail"]}]


def test_broken_json_is_a_bad_request(api: APIClient):
    body = problem(api.post("/api/items", "{", content_type="application/json"), 400)
    assert "JSON parse error" in body["detail"]
    assert "errors" not in body


def test_another_media_type_is_refused(api: APIClient):
    body = problem(api.post("/api/items", "x", content_type="text/plain"), 415)
    assert "text/plain" in body["detail"]


def test_another_method_is_refused_and_the_right_ones_named(api: APIClient):
    response = api.delete("/api/items")
    assert problem(response, 405)["title"] == "Method Not Allowed"
    assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_callers_without_a_key_are_told_how_to_sign_in(api: APIClient, headers: dict[str, str]):
    response = api.get("/api/private", headers=headers)
    assert problem(response, 401)["title"] == "Unauthorized"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_callers_in_a_hurry_are_told_how_long_to_wait(api: APIClient):
    response = api.get("/api/items?slow")
    problem(response, 429)
    assert response.headers["Retry-After"] == "12"


@pytest.mark.parametrize(
    ("name", "status", "detail"),
    [
        ("missing", 404, "There is nothing here."),
        ("forbidden", 403, "You do not have permission to do this."),
        ("large", 413, "The request is too large; send it in smaller parts."),
        ("model rule", 400, "Ends before it starts."),
    ],
)
def test_djangos_errors_are_problems_without_internals(api, name: str, status: int, detail: str):
    assert problem(api.get(f"/api/items?raise={name}"), status)["detail"] == detail


def test_a_models_errors_name_their_fields(api: APIClient):
    body = problem(api.get("/api/items?raise=model"), 400)
    assert body["errors"] == [{"index": None, "field": "quantity", "message": "Not negative."}]


def test_a_view_may_answer_with_a_problem_of_its_own(api: APIClient):
    response = api.get("/api/items?raise=cap")
    assert problem(response, 402) == {
        "type": "https://portal.example/problems/cap",
        "title": "Cap reached",
        "status": 402,
        "detail": "The cap is reached.",
    }
    assert response.headers["Retry-After"] == "60"


def test_a_defect_of_ours_is_a_problem_that_says_nothing_of_it(api: APIClient):
    response = api.get("/api/items?raise=bug")
    assert problem(response, 500)["title"] == "Internal Server Error"
    assert "secret" not in response.content.decode()
    assert problem_of(ZeroDivisionError()) is None


def test_paths_of_programs_that_do_not_exist_are_problems(api: APIClient):
    body = problem(api.get("/api/nowhere"), 404)
    assert body["detail"] == "There is nothing at /api/nowhere."
    assert problem(api.get("/v1/nowhere"), 404)


def test_plain_views_below_the_api_answer_with_problems_too(api: APIClient):
    problem(api.get("/api/page"), 403)


def test_people_get_pages(api: APIClient):
    for address, status in (("/nowhere", 404), ("/page", 403)):
        response = api.get(address)
        assert response.status_code == status
        assert response.headers["Content-Type"].startswith("text/html")
    request = RequestFactory().get("/page")
    assert problems.server_error(request).headers["Content-Type"].startswith("text/html")


def test_the_portals_own_urls_answer_with_problems():
    response = Client(raise_request_exception=False).get("/api/nowhere")
    problem(response, 404)


def test_a_bad_request_outside_views_is_a_problem():
    request = RequestFactory().get("/api/items")
    response = problems.bad_request(request, django_errors.RequestDataTooBig("x"))
    assert response.status_code == 413
    assert problems.bad_request(request, django_errors.SuspiciousOperation("x")).status_code == 400


def test_errors_may_be_given_directly():
    body = Problem(400, "One line.", errors=[FieldError("Not a number.", "quantity", 3)]).body()
    assert body["errors"] == [{"index": 3, "field": "quantity", "message": "Not a number."}]
