"""The base of the operator's console: read-only unless said otherwise, verbs instead of editable states, bounded queries."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import GenericIPAddressField, Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcp.errors import ControlPlaneError
from mcp.events.services.audit import audit
from mcp.web.paging import BoundedPaginator

M = TypeVar("M", bound=Model)
if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Model]
else:
    AnyAdmin = admin.ModelAdmin  # generic for the type checker only

# Free text is looked for among this many newest rows; ids, beginnings and other indexed values everywhere.
SEARCH_DEPTH = 2_000
# What one such question answers at most.
SEARCH_MOST = 500
MOST_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Verb:
    """A button on a row's page and an action of its list. `run` goes through a service and answers a sentence.

    `fits` decides whether the row's page shows the button; `asks` names one line of text that the operator may add.
    """

    name: str
    title: str
    run: Callable[[HttpRequest, Any], str]
    fits: Callable[[Any], bool] = lambda row: True
    asks: str = ""
    danger: bool = False


class ConsoleAdmin(AnyAdmin):
    """For staff, who are operators of the whole installation. Subclasses open what may be edited, field by field."""

    verbs: ClassVar[Sequence[Verb]] = ()
    # Exact matches on indexed columns, tried when the text is a UUID / as it is; beginnings of columns whose index knows
    # patterns; and text, among the newest rows only.
    search_ids: ClassVar[Sequence[str]] = ()
    search_exact: ClassVar[Sequence[str]] = ()
    search_prefix: ClassVar[Sequence[str]] = ()
    search_text: ClassVar[Sequence[str]] = ()
    editable: ClassVar[Sequence[str]] = ()
    may_add: ClassVar[bool] = False
    may_delete: ClassVar[bool] = False

    # Nothing that reads a whole table: no counts of all rows, none beside the filters, no order that no index has.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[tuple[str, ...] | None] = ()
    list_per_page = 50
    list_max_show_all = 0
    paginator = BoundedPaginator
    change_form_template = "admin/console_change.html"

    # --- who may what

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Staff."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Where a subclass says so."""
        return self.may_add and self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Where there is something to edit."""
        return bool(self.editable) and self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Where a subclass says so."""
        return self.may_delete and self.has_module_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything but `editable`; all of it may be given when a row is added."""
        fixed = list(super().get_readonly_fields(request, obj))
        if obj is None:
            return fixed
        hidden = {*(self.exclude or ()), *self.editable, *fixed}
        names = [field.name for field in self.model._meta.fields]
        return fixed + [name for name in names if name not in hidden and not name.startswith("sealed_")]

    # --- search

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Non-empty where there is a search, so that the box is shown."""
        return (*self.search_ids, *self.search_exact, *self.search_prefix, *self.search_text)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Ids and indexed values anywhere; text among the newest rows."""
        term = search_term.strip()[:120]
        return (queryset.filter(pk__in=self._found(term)) if term else queryset), False

    def _found(self, term: str) -> set[Any]:
        """Keys of what fits. One query a question: put together with OR, the database would read the whole table."""
        rows = self.model._default_manager.order_by("-pk")  # newest first: keys grow with time
        as_id = _uuid(term)
        questions = [Q(**{name: as_id}) for name in self.search_ids] if as_id is not None else []
        questions += [Q(**{name: term}) for name in self.search_exact if self._takes(name, term)]
        if as_id is None:
            questions += [Q(**{f"{name}__startswith": term}) for name in self.search_prefix]
            if self.search_text:
                oldest = rows.values_list("pk", flat=True)[SEARCH_DEPTH : SEARCH_DEPTH + 1].first()
                among = Q(pk__gt=oldest) if oldest is not None else Q()
                questions.append(among & _any([f"{name}__icontains" for name in self.search_text], term))
        return {key for question in questions for key in rows.filter(question).values_list("pk", flat=True)[:SEARCH_MOST]}

    def _takes(self, name: str, term: str) -> bool:
        """Whether a column can hold the term at all: PostgreSQL's address type refuses to be compared with other text."""
        if not isinstance(self.opts.get_field(name.partition("__")[0]), GenericIPAddressField):
            return True
        with suppress(ValueError):
            return bool(ipaddress.ip_address(term))
        return False

    # --- verbs

    def get_urls(self) -> list[URLPattern]:
        """Plus one address a verb."""
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        do = path("<path:object_id>/do/<slug:verb>/", self.admin_site.admin_view(self.do), name=f"{info}_do")
        return [do, *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The verbs, and nothing else."""
        if not self.has_module_permission(request):
            return {}
        return {
            verb.name: (_action(verb), verb.name, verb.title) for verb in self.verbs if not verb.asks or verb.asks == "reason"
        }

    def do(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """POST: carry out a verb on one row."""
        row = self.get_object(request, object_id)
        chosen = next((known for known in self.verbs if known.name == verb), None)
        if row is None or chosen is None or request.method != "POST":
            raise Http404
        self.carry_out(request, chosen, row)
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]))

    def carry_out(self, request: HttpRequest, verb: Verb, row: Model) -> None:
        """Run it and tell how it went."""
        try:
            self.message_user(request, verb.run(request, row), messages.SUCCESS)
        except ControlPlaneError as error:
            self.message_user(request, f"{error.title}: {error.detail}", messages.ERROR)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the buttons that fit; an error of a service becomes a message."""
        row = self.get_object(request, object_id) if object_id and self.verbs else None
        buttons = [
            (verb, reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_do", args=[object_id, verb.name]))
            for verb in self.verbs
            if row is not None and verb.fits(row)
        ]
        try:
            answer: HttpResponse = super().changeform_view(
                request, object_id, form_url, {**(extra_context or {}), "verb_buttons": buttons}
            )
        except ControlPlaneError as error:
            self.message_user(request, f"{error.title}. {error.detail}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return answer

    # --- what people do by hand is audited like everything else

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's own log and ours."""
        self._audit(request, "add", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's own log and ours."""
        self._audit(request, "change", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Django's own log and ours."""
        for obj in queryset:
            self._audit(request, "delete", obj, [])
        return super().log_deletions(request, queryset)

    def _audit(self, request: HttpRequest, what: str, obj: Model, message: Any) -> None:
        noun = str(self.opts.model_name)
        audit(
            f"console.{noun}.{what}", actor=request.user.get_username(), source=str(request.META.get("REMOTE_ADDR", "")),
            target_type=noun, target_id=str(obj.pk), target_name=str(obj),
            changes={"fields": json.loads(json.dumps(message, default=str))},
        )  # fmt: skip


def _action(verb: Verb) -> Callable[[ConsoleAdmin, HttpRequest, QuerySet[Any]], None]:
    def run(modeladmin: ConsoleAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset[:MOST_AT_ONCE]:
            modeladmin.carry_out(request, verb, row)

    return run


def _any(names: Sequence[str], value: object) -> Q:
    found = Q()
    for name in names:
        found |= Q(**{name: value})
    return found


def _uuid(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def pretty(value: object) -> SafeString:
    """JSON for reading."""
    return format_html('<pre class="pretty">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False, default=str))


def bar(used: float, limit: float, words: str) -> SafeString:
    """A bar of used of limit, with the numbers beside it."""
    percent = min(100, round(100 * used / limit)) if limit else 0
    return format_html(
        '<span class="usage"><progress value="{}" max="100" class="{}" aria-label="{} % used"></progress> {}</span>',
        percent, "full" if percent > 89 else "", percent, words,
    )  # fmt: skip


def badge(state: object) -> SafeString:
    """A state as a coloured word."""
    return SafeString(render_to_string("parts/state.html", {"state": str(state)}).strip())
