"""The answer to a refused request: one exception, shown in Gate's or Zendesk's JSON shape."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is answered with an error status.

    ``label`` is the machine-readable name (Gate: ``label``, Zendesk: ``error``), ``field`` the offending field of a
    ticket, ``retry_after_s`` goes out as Retry-After.
    """

    def __init__(
        self, status: int, label: str, message: str, *, field: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.label = label
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        """Return the headers that go with the error."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    def gate_body(self) -> dict[str, object]:
        """Return Gate's error shape: ``{"label", "message"}``."""
        return {"label": self.label, "message": self.message}

    def zendesk_body(self) -> dict[str, object]:
        """Return Zendesk's error shape: ``{"error", "description"}``, with ``details`` per field if one is named."""
        body: dict[str, object] = {"error": self.label, "description": self.message}
        if self.field is not None:
            body["details"] = {self.field: [{"description": self.message, "error": "InvalidValue"}]}
        return body


def uncertain() -> ApiError:
    """Return the 500 of a request that may or may not have been recorded."""
    return ApiError(500, "OUTCOME_UNKNOWN", "it may or may not have been recorded: ask for its record")


def busy(retry_after_s: int = 1) -> ApiError:
    """Return the 503 of a server that cannot take the request now."""
    return ApiError(503, "TOO_BUSY", "the server is busy, try again later", retry_after_s=retry_after_s)
