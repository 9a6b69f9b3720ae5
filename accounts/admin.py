"""The console's pages about accounts and people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.console import operator_of
from accounts.models import Account, AccountLimit, ApiKey, Membership, SshKey, User
from accounts.services.accounts import open_account, set_account_state
from accounts.services.members import add_member, change_role, remove_member
from mcp.web.console import ConsoleAdmin, Verb, badge
from mcp.web.paging import BoundedPaginator

if TYPE_CHECKING:
    LimitBase = admin.TabularInline[AccountLimit, Account]
    PeopleBase = DjangoUserAdmin[User]
else:
    LimitBase = admin.TabularInline
    PeopleBase = DjangoUserAdmin

admin.site.unregister(Group)


def _suspend(request: HttpRequest, row: Account) -> str:
    set_account_state(
        actor=operator_of(request), account=row, state=Account.State.SUSPENDED, reason=request.POST.get("reason", "")
    )
    return f"The account {row} is suspended: it can read and delete, but makes nothing new."


def _resume(request: HttpRequest, row: Account) -> str:
    set_account_state(actor=operator_of(request), account=row, state=Account.State.ACTIVE)
    return f"The account {row} works again."


class LimitInline(LimitBase):
    """Exceptions to the default limits."""

    model = AccountLimit
    extra = 0

    def _staff(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff."""
        return self._staff(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff, once the account exists."""
        return obj is not None and self._staff(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff."""
        return self._staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff."""
        return self._staff(request)


@admin.register(Account)
class AccountAdmin(ConsoleAdmin):
    """Accounts, with their limits."""

    list_display = ("slug", "name", "shown_state", "currency", "created_at")
    list_filter = ("state",)
    search_ids = ("pk",)
    search_prefix = ("slug",)
    search_text = ("slug", "name")
    editable = ("name", "time_zone", "currency")
    may_add = True
    fields = ("slug", "name", "time_zone", "currency", "state", "created_at")
    inlines: ClassVar = [LimitInline]
    verbs = (
        Verb("suspend", "Suspend", _suspend, lambda row: row.state == Account.State.ACTIVE, asks="reason", danger=True),
        Verb("resume", "Resume", _resume, lambda row: row.state == Account.State.SUSPENDED),
    )

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Limits of what exists."""
        return [] if obj is None else self.inlines

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new account is only named."""
        return ("slug", "name") if obj is None else self.fields

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Account) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """New ones are opened by the service."""
        if change:
            super().save_model(request, obj, form, change)
            return
        opened = open_account(actor=operator_of(request), slug=obj.slug, name=obj.name)
        obj.pk = opened.pk
        obj._state.adding = False


def _remove_member(request: HttpRequest, row: Membership) -> str:
    sentence = f"{row.user} is no longer a member of {row.account}."
    remove_member(actor=operator_of(request), row=row)
    return sentence


@admin.register(Membership)
class MembershipAdmin(ConsoleAdmin):
    """Who is what in which account."""

    list_display = ("user", "account", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "account")
    search_ids = ("pk", "account_id", "user_id")
    search_exact = ("account__slug", "user__username")
    editable = ("role",)
    may_add = True
    fields = ("account", "user", "role", "created_at")
    readonly_fields = ("created_at",)
    raw_id_fields = ("account", "user")

    verbs = (Verb("remove", "Remove from the account", _remove_member, danger=True),)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the services, which keep an owner in every account."""
        actor = operator_of(request)
        if change:
            change_role(actor=actor, row=Membership.objects.select_related("user").get(pk=obj.pk), role=obj.role)
            return
        row = add_member(actor=actor, account=obj.account, username=obj.user.get_username(), role=obj.role)
        obj.pk = row.pk
        obj._state.adding = False


@admin.register(User)
class UserAdmin(PeopleBase):
    """People who sign in. Only a superuser makes operators or touches other superusers."""

    list_display = ("username", "email", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active")
    list_per_page = 50
    search_fields = ("username__startswith", "email__startswith")
    search_help_text = "The beginning of a user name or of an address of mail."
    # As in ConsoleAdmin: nothing that reads the whole table.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    paginator = BoundedPaginator
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    filter_horizontal = ()
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff; operators are changed by superusers or themselves only."""
        untouchable = obj is not None and (obj.is_staff or obj.is_superuser) and obj.pk != request.user.pk
        return self.has_module_permission(request) and (not untouchable or bool(request.user.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: people are made inactive, so that the audit trail keeps its names."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers make operators."""
        fixed = ("last_login", "date_joined")
        return fixed if request.user.is_superuser else (*fixed, "is_staff", "is_superuser")


@admin.register(ApiKey)
class ApiKeyAdmin(ConsoleAdmin):
    """Keys of accounts and operators; never the key itself."""

    list_display = ("name", "prefix", "account", "user", "role", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("account", "user")
    search_ids = ("pk", "account_id", "user_id")
    search_exact = ("account__slug", "user__username", "prefix")
    exclude = ("digest",)


@admin.register(SshKey)
class SshKeyAdmin(ConsoleAdmin):
    """Public keys of accounts."""

    list_display = ("name", "account", "fingerprint", "created_at")
    list_select_related = ("account",)
    search_ids = ("pk", "account_id")
    search_exact = ("account__slug", "fingerprint")
