"""Pages about accelerators and operations."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from accelerators.web import accelerator, create, fleet, operations, verbs

urlpatterns: list[URLPattern | URLResolver] = [
    path("", fleet.fleet, name="accelerators"),
    path("trash/", fleet.trash, name="trash"),
    path("accelerators/new/", create.create, name="accelerator-new"),
    path("accelerators/new/price/", create.quote, name="accelerator-quote"),
    path("accelerators/<uuid:accelerator_id>/", accelerator.accelerator, name="accelerator"),
    path("accelerators/<uuid:accelerator_id>/panel/", accelerator.panel, name="accelerator-panel"),
    path("accelerators/<uuid:accelerator_id>/timeline/", accelerator.timeline, name="accelerator-timeline"),
    path("accelerators/<uuid:accelerator_id>/edit/", verbs.edit, name="accelerator-edit"),
    path("accelerators/<uuid:accelerator_id>/protect/", verbs.protect, name="accelerator-protect"),
    path("accelerators/<uuid:accelerator_id>/delete/", verbs.delete, name="accelerator-delete"),
    path("accelerators/<uuid:accelerator_id>/act/<slug:verb>/", verbs.act, name="accelerator-act"),
    path("operations/", operations.operations, name="operations"),
    path("operations/<uuid:operation_id>/", operations.operation, name="operation"),
    path("operations/<uuid:operation_id>/cancel/", operations.cancel, name="operation-cancel"),
    path("operations/<uuid:operation_id>/retry/", operations.retry, name="operation-retry"),
]
