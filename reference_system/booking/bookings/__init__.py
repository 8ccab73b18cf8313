"""Bookings: book, cancel, reschedule."""
