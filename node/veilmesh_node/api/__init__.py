"""The service for the organisation's own applications and command line."""
