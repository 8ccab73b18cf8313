"""Messages sent after a commit: announcements, and refunds that are owed."""
