"""The console's pages about what the operator owns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Field
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.console import operator_of
from mcp.web.console import ConsoleAdmin, Verb, badge, bar, pretty
from mcp.web.templatetags.portal import ago
from pods import admin_moves  # noqa: F401  (registers its pages)
from pods.models import Address, Allocation, Host, Image, ImageCopy, Network, PlacementWeight, Pod, Refusal
from pods.services.duty import set_duty
from pods.services.edit_host import edit_host
from pods.services.edit_image import edit_image
from pods.services.enrol import reprobe_host
from pods.services.pod_state import set_pod_state
from pods.services.sums import copies_by_image, live_by_pod, total
from pods.states import DUTY_TRANSITIONS, HostDuty, PodState
from pods.web.fields import form_field, slug_of
from pods.web.refusals import RefusalAdmin
from pods.web.weights import WeightAdmin

admin.site.register(Refusal, RefusalAdmin)
admin.site.register(PlacementWeight, WeightAdmin)


def _pod(state: PodState, words: str) -> Callable[[HttpRequest, Any], str]:
    def run(request: HttpRequest, row: Pod) -> str:
        set_pod_state(actor=operator_of(request), pod=row, state=state)
        return f"The pod {row} {words}"

    return run


class PodList(ChangeList):
    """Each row with the sums over its hosts, read once for all."""

    def get_results(self, request: HttpRequest) -> None:
        """As `row.lines`."""
        super().get_results(request)
        sums = live_by_pod()
        self.result_list: Any = list(self.result_list)
        for row in self.result_list:
            row.lines = sums.get(row.pk, [])


@admin.register(Pod)
class PodAdmin(ConsoleAdmin):
    """Pods. New ones are enrolled with `manage.py pod add`, which makes their network too."""

    list_display = ("slug", "name", "location", "shown_state", "host_count", "guest_count", "memory", "disk")
    search_ids = ("pk",)
    search_text = ("slug", "name", "location")
    editable = (
        "name", "location", "cpu_overcommit", "memory_overcommit", "disk_overcommit", "reserve_memory_mib",
        "reserve_disk_gib", "resolvers", "dns_suffix", "time_zone", "n_plus_one",
    )  # fmt: skip
    exclude = ("sealed_ssh_key",)
    readonly_fields = ("links",)
    verbs = (
        Verb("open", "Open", _pod(PodState.OPEN, "takes new guests."), lambda row: row.state != PodState.OPEN),
        Verb("drain", "Drain", _pod(PodState.DRAINING, "takes no new guests."), lambda row: row.state == PodState.OPEN),
        Verb("close", "Close", _pod(PodState.CLOSED, "is closed."), lambda row: row.state != PodState.CLOSED, danger=True),
    )

    sortable_by: ClassVar[tuple[str, ...] | None] = None  # few rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PodList]:
        """Rows with their sums."""
        return PodList

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Pod) -> SafeString:
        """Open is good here."""
        tone = "good" if row.state == PodState.OPEN else "warn"
        return format_html('<span class="state {}">{}</span>', tone, row.state)

    @admin.display(description="hosts")
    def host_count(self, row: Any) -> SafeString:
        """A link to them."""
        return format_html('<a href="../host/?pod__id__exact={}">{}</a>', row.pk, sum(line.hosts for line in row.lines))

    @admin.display(description="guests")
    def guest_count(self, row: Any) -> int:
        """On all hosts."""
        return sum(line.guests for line in row.lines)

    @admin.display(description="memory")
    def memory(self, row: Any) -> SafeString:
        """Promised of what may be."""
        used, cap = total(row.lines, "used_memory_mib"), total(row.lines, "cap_memory_mib")
        return bar(used, cap, f"{used / 1024:.1f} / {cap / 1024:.0f} GiB")

    @admin.display(description="disk")
    def disk(self, row: Any) -> SafeString:
        """Promised of what may be."""
        used, cap = total(row.lines, "used_disk_gib"), total(row.lines, "cap_disk_gib")
        return bar(used, cap, f"{used} / {cap} GiB")

    @admin.display(description="see")
    def links(self, row: Pod) -> SafeString:
        """To its hosts, and to the plan that makes them more alike."""
        return format_html(
            '<a href="/admin/pods/host/?pod__id__exact={0}">hosts</a> · <a href="/admin/pods/pod/{0}/rebalance/">rebalance…</a>',
            row.pk,
        )


def _duty(duty: HostDuty, words: str) -> Callable[[HttpRequest, Any], str]:
    def run(request: HttpRequest, row: Host) -> str:
        set_duty(actor=operator_of(request), host=row, duty=duty, reason=request.POST.get("reason", ""))
        return f"The host {row} {words}"

    return run


def _may(duty: HostDuty) -> Callable[[Any], bool]:
    return lambda row: duty in DUTY_TRANSITIONS[row.duty]


def _probe(request: HttpRequest, row: Host) -> str:
    found = reprobe_host(actor=operator_of(request), host=row)
    facts = found.facts
    return f"The host {row} answered: {facts['cpus']} processors, {facts['memory_mib']} MiB, {facts['disk_gib']} GiB."


@admin.register(Host)
class HostAdmin(ConsoleAdmin):
    """Hosts: what they are, how full, whether they answer."""

    list_display = ("name", "pod", "shown_state", "seen", "guests", "cpu", "memory", "disk")
    list_filter = ("duty", "reachable", "pod")
    list_select_related = ("pod",)
    search_ids = ("pk", "pod_id")
    search_exact = ("pod__slug", "address")
    search_prefix = ("name",)
    search_text = ("name", "address", "duty_reason")
    ordering = ("name", "id")
    fieldsets = (
        (None, {"fields": ("name", "pod", "shown_state", "duty_reason", "seen", "last_error")}),
        ("Room", {"fields": ("guests", "cpu", "memory", "disk")}),
        ("Idle room lent to preemptible accelerators", {"fields": ("spot", "spot_windows", "lent")}),
        ("How it is reached", {"fields": (("driver", "address"), ("port", "user"), "host_key")}),
        ("What it has, and for whom", {"fields": ("kinds", "traits", "exclusive_account_id", "mishaps", "mishap_at")}),
        ("What the last probe found", {"fields": ("probed_at", "shown_facts", "boot_id", "inventory_at")}),
        ("Its guests", {"fields": ("links",)}),
    )
    readonly_fields = ("shown_state", "seen", "cpu", "memory", "disk", "shown_facts", "links", "lent")
    editable = ("spot", "spot_windows", "traits", "exclusive_account_id")
    verbs = (
        Verb("probe", "Probe now", _probe, lambda row: row.duty != HostDuty.RETIRED),
        Verb("resume", "Resume", _duty(HostDuty.ACTIVE, "takes guests again."), _may(HostDuty.ACTIVE)),
        Verb("drain", "Drain", _duty(HostDuty.DRAINING, "takes no new guests."), _may(HostDuty.DRAINING), asks="reason"),
        Verb(
            "maintenance",
            "Maintenance",
            _duty(HostDuty.MAINTENANCE, "is in maintenance."),
            _may(HostDuty.MAINTENANCE),
            asks="reason",
        ),
        Verb("retire", "Retire", _duty(HostDuty.RETIRED, "is retired."), _may(HostDuty.RETIRED), asks="reason", danger=True),
    )

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Traits as words, the account by its slug."""
        return form_field(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)

    def _audit(self, request: HttpRequest, what: str, obj: Any, message: Any) -> None:
        """The service does."""

    @admin.display(description="state")
    def shown_state(self, row: Host) -> SafeString:
        """Duty, unless it does not answer."""
        return badge(row.state)

    @admin.display(description="last seen", ordering="last_seen_at")
    def seen(self, row: Host) -> str:
        """How fresh."""
        return ago(row.last_seen_at) + (f", {row.failed_heartbeats} misses since" if row.failed_heartbeats else "")

    @admin.display(description="processors")
    def cpu(self, row: Host) -> SafeString:
        """Promised of what may be."""
        return bar(row.used_cpu_m, row.cap_cpu_m, f"{row.used_cpu_m / 1000:g} / {row.cap_cpu_m / 1000:g}")

    @admin.display(description="memory")
    def memory(self, row: Host) -> SafeString:
        """Promised of what may be."""
        return bar(
            row.used_memory_mib, row.cap_memory_mib, f"{row.used_memory_mib / 1024:.1f} / {row.cap_memory_mib / 1024:.0f} GiB"
        )

    @admin.display(description="disk")
    def disk(self, row: Host) -> SafeString:
        """Promised of what may be."""
        return bar(row.used_disk_gib, row.cap_disk_gib, f"{row.used_disk_gib} / {row.cap_disk_gib} GiB")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the service: a plain save would write back what the host counted when the page was opened."""
        wanted = {name: form.cleaned_data[name] for name in form.changed_data}
        if "exclusive_account_id" in wanted:
            wanted["exclusive_account"] = slug_of(wanted.pop("exclusive_account_id"))
        edit_host(actor=operator_of(request), host=Host.objects.get(pk=obj.pk), **wanted)

    @admin.display(description="lent now")
    def lent(self, row: Host) -> SafeString:
        """Of what is not promised firmly."""
        return bar(
            row.spot_memory_mib, row.cap_memory_mib - row.used_memory_mib,
            f"{row.spot_cpu_m / 1000:g} processors, {row.spot_memory_mib / 1024:.1f} GiB of {row.pod}'s idle room",
        )  # fmt: skip

    @admin.display(description="facts")
    def shown_facts(self, row: Host) -> SafeString:
        """One line a fact."""
        return format_html(
            '<dl class="facts">{}</dl>',
            format_html_join(
                "", "<dt>{}</dt><dd>{}</dd>", ((name.replace("_", " "), _fact(v)) for name, v in sorted(row.facts.items()))
            ),
        )

    @admin.display(description="guests")
    def links(self, row: Host) -> SafeString:
        """To what runs here and what was found here."""
        return format_html(
            '<a href="/admin/accelerators/accelerator/?host__id__exact={0}">accelerators</a> · '
            '<a href="/admin/pods/allocation/?host__id__exact={0}">allocations</a> · '
            '<a href="/admin/pods/driftfinding/?host__id__exact={0}&amp;state__exact=open">open drift</a> · '
            '<a href="/admin/pods/host/{0}/evacuate/">evacuate…</a> · '
            '<a href="/admin/pods/moverun/?host__id__exact={0}">earlier evacuations</a>',
            row.pk,
        )


def _fact(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(str(item.get("what", item)) if isinstance(item, dict) else str(item) for item in value) or "none"
    return pretty(value) if isinstance(value, dict) else value


def _offer(state: str, words: str) -> Callable[[HttpRequest, Any], str]:
    def run(request: HttpRequest, row: Image) -> str:
        edit_image(actor=operator_of(request), image=row, state=state)
        return f"The image {row} is {words}."

    return run


class ImageList(ChangeList):
    """Each row with how many hosts have it, counted once for all."""

    def get_results(self, request: HttpRequest) -> None:
        """As `row.copy_count`."""
        super().get_results(request)
        counted = copies_by_image()
        self.result_list: Any = list(self.result_list)
        for row in self.result_list:
            row.copy_count = counted.get(row.pk, 0)


@admin.register(Image)
class ImageAdmin(ConsoleAdmin):
    """Images. New ones come from `manage.py image build`."""

    list_display = (
        "slug",
        "version",
        "os",
        "kind",
        "shown_state",
        "size",
        "min_memory_mib",
        "min_disk_gib",
        "copies",
        "created_at",
    )
    list_filter = ("state", "kind")
    search_ids = ("pk",)
    search_exact = ("slug",)
    search_text = ("slug", "os", "description")
    editable = ("os", "description", "min_memory_mib", "min_disk_gib", "required_traits")
    verbs = (
        Verb("enable", "Offer", _offer(Image.State.ACTIVE, "offered"), lambda row: row.state == Image.State.DISABLED),
        Verb(
            "disable",
            "Stop offering",
            _offer(Image.State.DISABLED, "no longer offered"),
            lambda row: row.state == Image.State.ACTIVE,
        ),
    )

    sortable_by: ClassVar[tuple[str, ...] | None] = None  # few rows

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Traits as words."""
        return form_field(db_field) or super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ImageList]:
        """Rows with the number of their copies."""
        return ImageList

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Image) -> SafeString:
        """As a word with a colour."""
        return badge(row.state)

    @admin.display(description="size", ordering="size_bytes")
    def size(self, row: Image) -> str:
        """In MiB."""
        return f"{row.size_bytes / 2**20:.0f} MiB"

    @admin.display(description="on hosts")
    def copies(self, row: Any) -> int:
        """Verified copies."""
        return int(row.copy_count)


@admin.register(ImageCopy)
class ImageCopyAdmin(ConsoleAdmin):
    """Which host has which image."""

    list_display = ("image", "host", "verified_at")
    list_select_related = ("image", "host")
    search_ids = ("image_id", "host_id")


@admin.register(Network)
class NetworkAdmin(ConsoleAdmin):
    """Networks of pods."""

    sortable_by: ClassVar[tuple[str, ...] | None] = None  # few rows
    list_display = ("slug", "pod", "cidr", "gateway", "range_first", "range_last", "bridge")
    list_filter = ("pod",)
    list_select_related = ("pod",)
    search_ids = ("pk", "pod_id")


@admin.register(Address)
class AddressAdmin(ConsoleAdmin):
    """Addresses given out, and those that rest."""

    list_display = ("ip", "network", "state", "holder_id", "account_id", "free_from", "changed_at")
    list_filter = ("state",)
    list_select_related = ("network",)
    search_ids = ("holder_id",)
    search_exact = ("ip",)
    ordering = ("-id",)


@admin.register(Allocation)
class AllocationAdmin(ConsoleAdmin):
    """What is promised to whom on which host."""

    list_display = ("holder_id", "host", "pod", "cpu_m", "memory_mib", "disk_gib", "uid_slot", "group", "created_at")
    list_filter = ("pod",)
    list_select_related = ("host", "pod")
    search_ids = ("holder_id", "host_id")
    ordering = ("-id",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Links from a host's page."""
        return lookup == "host__id__exact" or super().lookup_allowed(lookup, value, request)
