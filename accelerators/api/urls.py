"""All routes of `/api/v1/`, composed here because this app may import the others."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from accelerators.api import accelerators, drift, plans, verbs, whatif
from accounts.api import account, accounts, api_keys, audit, events, members, operations, ssh_keys
from mcp.api.views import ErrorCodesView, UnknownPathView
from pods.api import allocations, hosts, images, maintenance, moves, placement, pods, refusals

CUSTOMER: list[URLPattern | URLResolver] = [
    path("account", account.AccountView.as_view()),
    path("account/limits", account.LimitsView.as_view()),
    path("account/members", members.MembersView.as_view()),
    path("account/members/<str:ref>", members.MemberView.as_view()),
    path("account/ssh-keys", ssh_keys.SshKeysView.as_view()),
    path("account/ssh-keys/<str:ref>", ssh_keys.SshKeyView.as_view()),
    path("account/api-keys", api_keys.ApiKeysView.as_view()),
    path("account/api-keys/<str:ref>", api_keys.ApiKeyView.as_view()),
    path("plans", plans.PlansView.as_view()),
    path("plans/<str:ref>", plans.PlanView.as_view()),
    path("images", images.ImagesView.as_view()),
    path("images/<str:ref>", images.ImageView.as_view()),
    path("pods", pods.PodsView.as_view()),
    path("pods/<str:ref>", pods.PodView.as_view()),
    path("accelerators", accelerators.AcceleratorsView.as_view()),
    path("accelerators/<str:ref>", accelerators.AcceleratorView.as_view()),
    path("accelerators/<str:ref>/start", verbs.StartView.as_view()),
    path("accelerators/<str:ref>/stop", verbs.StopView.as_view()),
    path("accelerators/<str:ref>/restart", verbs.RestartView.as_view()),
    path("accelerators/<str:ref>/undelete", verbs.UndeleteView.as_view()),
    path("accelerators/<str:ref>/timeline", verbs.TimelineView.as_view()),
    path("operations", operations.OperationsView.as_view()),
    path("operations/<str:ref>", operations.OperationView.as_view()),
    path("operations/<str:ref>/cancel", operations.CancelView.as_view()),
    path("operations/<str:ref>/retry", operations.RetryView.as_view()),
    path("events", events.EventsView.as_view()),
]

OPERATOR: list[URLPattern | URLResolver] = [
    path("operator/pods", pods.OperatorPodsView.as_view()),
    path("operator/pods/<str:ref>", pods.OperatorPodView.as_view()),
    path("operator/pods/<str:ref>/rebalance", moves.RebalanceView.as_view()),
    path("operator/evacuations", moves.EvacuationsView.as_view()),
    path("operator/evacuations/<str:ref>", moves.EvacuationView.as_view()),
    path("operator/evacuations/<str:ref>/pause", moves.PauseView.as_view()),
    path("operator/evacuations/<str:ref>/resume", moves.ResumeRunView.as_view()),
    path("operator/evacuations/<str:ref>/abort", moves.AbortView.as_view()),
    path("operator/maintenance", maintenance.WindowsView.as_view()),
    path("operator/maintenance/<str:ref>", maintenance.WindowView.as_view()),
    path("operator/maintenance/<str:ref>/cancel", maintenance.CancelWindowView.as_view()),
    path("operator/hosts", hosts.HostsView.as_view()),
    path("operator/hosts/<str:ref>", hosts.HostView.as_view()),
    path("operator/hosts/<str:ref>/drain", hosts.DrainView.as_view()),
    path("operator/hosts/<str:ref>/resume", hosts.ResumeView.as_view()),
    path("operator/hosts/<str:ref>/maintenance", hosts.MaintenanceView.as_view()),
    path("operator/hosts/<str:ref>/evacuate", moves.EvacuateView.as_view()),
    path("operator/hosts/<str:ref>/retire", hosts.RetireView.as_view()),
    path("operator/hosts/<str:ref>/probe", hosts.ProbeView.as_view()),
    path("operator/images", images.OperatorImagesView.as_view()),
    path("operator/images/<str:ref>", images.OperatorImageView.as_view()),
    path("operator/plans", plans.OperatorPlansView.as_view()),
    path("operator/plans/<str:ref>", plans.OperatorPlanView.as_view()),
    path("operator/accounts", accounts.AccountsView.as_view()),
    path("operator/accounts/<str:ref>", accounts.AccountByIdView.as_view()),
    path("operator/operations", operations.OperatorOperationsView.as_view()),
    path("operator/operations/<str:ref>", operations.OperatorOperationView.as_view()),
    path("operator/operations/<str:ref>/cancel", operations.OperatorCancelView.as_view()),
    path("operator/operations/<str:ref>/retry", operations.OperatorRetryView.as_view()),
    path("operator/allocations", allocations.AllocationsView.as_view()),
    path("operator/refusals", refusals.RefusalsView.as_view()),
    path("operator/refusals/<str:ref>", refusals.RefusalView.as_view()),
    path("operator/placement/weights", placement.WeightsView.as_view()),
    path("operator/capacity", allocations.CapacityView.as_view()),
    path("operator/whatif", whatif.WhatIfView.as_view()),
    path("operator/drift", drift.DriftView.as_view()),
    path("operator/drift/<str:ref>", drift.FindingView.as_view()),
    path("operator/drift/<str:ref>/adopt", drift.AdoptView.as_view()),
    path("operator/drift/<str:ref>/restore", drift.RestoreView.as_view()),
    path("operator/drift/<str:ref>/ignore", drift.IgnoreView.as_view()),
    path("operator/audit", audit.AuditView.as_view()),
]

ABOUT: list[URLPattern | URLResolver] = [
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("errors", ErrorCodesView.as_view(), name="api-errors"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    *CUSTOMER, *OPERATOR, *ABOUT, re_path(r"^.*$", UnknownPathView.as_view()),
]  # fmt: skip
