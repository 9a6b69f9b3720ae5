"""Headers, error pages, paging, tokens, and how things are written."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test import Client, RequestFactory
from django.utils import timezone

from mcp.errors import Conflict, InvalidInput, Throttled
from mcp.testing.web import text_of
from mcp.web import errors
from mcp.web.errors import error_response
from mcp.web.models import FormToken
from mcp.web.once import forget_old_tokens, once
from mcp.web.templatetags import portal


def test_every_page_forbids_what_is_inline_or_from_elsewhere(client: Client, db: None) -> None:
    for url in ("/sign-in/", "/nothing/", "/admin/"):
        policy = client.get(url).headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert "frame-ancestors 'none'" in policy


def test_no_page_has_anything_inline(client: Client, db: None) -> None:
    body = client.get("/sign-in/").content.decode()
    assert "style=" not in body
    assert " onclick" not in body
    assert body.count("<script") == body.count("<script src=")


def test_nothing_at_an_address_is_a_page_or_a_problem(client: Client, db: None) -> None:
    page = client.get("/nothing/")
    assert page.status_code == 404
    assert "There is nothing here" in text_of(page)
    problem = client.get("/api/v1/nothing")
    assert problem.status_code == 404
    assert problem.headers["Content-Type"].startswith("application/problem+json")


def test_an_old_form_is_explained(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "x", "password": "y"})
    assert answer.status_code == 403
    assert "too old" in text_of(answer)


def test_the_page_for_defects_names_the_request(rf: RequestFactory) -> None:
    request = rf.get("/", HTTP_X_REQUEST_ID="abcdefgh")
    request.META["MCP_REQUEST_ID"] = "abcdefgh"
    answer = errors.server_error(request)
    assert answer.status_code == 500
    assert "abcdefgh" in answer.content.decode()


def test_an_error_says_what_why_and_what_next(rf: RequestFactory) -> None:
    answer = error_response(rf.get("/"), Conflict("It is busy."))
    assert answer.status_code == 409
    words = text_of(answer)
    assert "It is busy." in words
    assert "state.conflict" in words
    assert "Look at its present state" in words
    assert error_response(rf.get("/"), Throttled("Slow down.", context={"retry_after_s": 7}))["Retry-After"] == "7"
    assert "name" in text_of(error_response(rf.get("/"), InvalidInput.on("name", "is bad.")))


def test_a_form_acts_once_for_its_owner(db: None) -> None:
    token, user, account, made = uuid4(), uuid4(), uuid4(), []

    def effect() -> str:
        made.append(1)
        return "/there/"

    assert once(token=token, user_id=user, account_id=account, effect=effect) == ("/there/", True)
    assert once(token=token, user_id=user, account_id=account, effect=effect) == ("/there/", False)
    with pytest.raises(Conflict):
        once(token=token, user_id=uuid4(), account_id=account, effect=effect)
    assert made == [1]


def test_what_fails_may_be_sent_again(db: None) -> None:
    token, user, account = uuid4(), uuid4(), uuid4()

    def refuse() -> str:
        raise Conflict("no")

    with pytest.raises(Conflict):
        once(token=token, user_id=user, account_id=account, effect=refuse)
    assert once(token=token, user_id=user, account_id=account, effect=lambda: "/x/") == ("/x/", True)


@pytest.mark.django_db(transaction=True)
def test_two_arrivals_at_the_same_moment_act_once() -> None:
    token, user, account = uuid4(), uuid4(), uuid4()
    made: list[int] = []
    answers: list[tuple[str, bool]] = []
    start = threading.Barrier(4)

    def effect() -> str:
        made.append(1)
        return "/there/"

    def arrive() -> None:
        start.wait(10)
        answers.append(once(token=token, user_id=user, account_id=account, effect=effect))
        connections.close_all()

    threads = [threading.Thread(target=arrive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made == [1]
    assert sorted(answers) == [("/there/", False)] * 3 + [("/there/", True)]
    assert connection.in_atomic_block is False


def test_old_tokens_are_forgotten(db: None) -> None:
    FormToken.objects.create(token=uuid4(), user_id=uuid4(), account_id=uuid4(), created_at=timezone.now() - timedelta(days=9))
    FormToken.objects.create(token=uuid4(), user_id=uuid4(), account_id=uuid4())
    assert forget_old_tokens() == 1
    assert forget_old_tokens() == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h"), (86_400 * 3, "3 d"), (86_400 * 800, "2 y"), (-5, "0 s")],
)
def test_spans(seconds: float, words: str) -> None:
    assert portal.span(seconds) == words


def test_times_money_and_sizes() -> None:
    assert portal.ago(None) == "never"
    assert portal.ago(timezone.now() - timedelta(minutes=4, seconds=10)) == "4 min ago"
    assert portal.until(timezone.now() - timedelta(1)) == "now"
    assert portal.money(Decimal("1234.5")) == "$1,234.50"
    assert portal.money("3", "EUR") == "3.00 EUR"
    assert portal.money_fine(Decimal("0.0273")) == "$0.0273"
    assert (portal.mib(256), portal.mib(1536)) == ("256 MiB", "1.5 GiB")
    assert portal.cores(1500) == "1.5 vCPU"
    assert portal.plain(Decimal("16.00")) == "16"
    assert portal.moment("2026-01-02T03:04:05Z") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (portal.tone("running"), portal.tone("starting"), portal.tone("failed")) == ("good", "busy", "bad")
    assert portal.words("accelerator.first_boot") == "first boot"
    assert (portal.share(1, None), portal.share(1, 3), portal.share(9, 3)) == (0, 33, 100)
