"""What leaves the service after a commit: announcements, and the refunds it owes."""
