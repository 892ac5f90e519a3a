"""The withdrawal pipeline, minute by minute: from the request to the chain, with rows that keep their identity."""
