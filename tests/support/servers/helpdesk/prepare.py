"""Make the help desk's database: tables, a queue for tests, one that is none, and a member of staff with a token.

Run with the throw-away environment's own Python and DJANGO_SETTINGS_MODULE; writes ``{"token", "queue", "other"}``.
"""

from __future__ import annotations

import json
import sys

import django
from django.core.management import call_command


def main() -> None:
    """Migrate and fill the database; tell what a client needs to know."""
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    from django.contrib.auth import get_user_model
    from helpdesk.models import Queue
    from rest_framework.authtoken.models import Token

    queue = Queue.objects.create(title="Load test", slug="test", allow_public_submission=True)
    other = Queue.objects.create(title="Customers", slug="customers", allow_public_submission=True)
    user = get_user_model().objects.create(username="load-test", is_staff=True, is_superuser=True)
    token = Token.objects.create(user=user)
    sys.stdout.write(json.dumps({"token": token.key, "queue": queue.id, "other": other.id}))


if __name__ == "__main__":
    main()
