"""The payment provider: a separate process with its own journal, like a third party.

It handles payments, captures and refunds over HTTP, supports idempotency keys, signs and retries webhooks,
and keeps a journal that survives kill -9. It shares no code with the booking service.
"""
