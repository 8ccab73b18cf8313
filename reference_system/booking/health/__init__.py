"""Health: liveness and readiness of this process, and its metrics."""
