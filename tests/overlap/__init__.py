"""Small services that book by single statements, and their verdicts by exploration."""
