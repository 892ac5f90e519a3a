"""The reference exchange as seen over HTTP: endpoints, authentication, capacity."""
