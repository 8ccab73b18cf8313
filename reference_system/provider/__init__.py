"""The payment provider: a process of its own, with its own journal, as a third party would be.

It takes payments, captures and refunds over HTTP, honours idempotency keys, signs and retries
webhooks, and keeps a journal that outlives a kill -9. It shares no code with the booking service.
"""
