"""What an auditor makes of verified blocks: who decided what, and a report of it."""
