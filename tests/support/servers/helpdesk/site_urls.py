"""Addresses of the throw-away help desk: django-helpdesk at the root, nothing of our own."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("helpdesk.urls", namespace="helpdesk"))]
