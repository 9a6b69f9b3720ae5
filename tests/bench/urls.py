"""The product's URLs and the empty view."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp.urls import urlpatterns as product


class Empty(APIView):
    """Authenticates and answers an empty object: what DRF itself costs here."""

    def get(self, request: Request) -> Response:
        return Response({})


urlpatterns = [path("api/v1/empty", Empty.as_view()), *product]
