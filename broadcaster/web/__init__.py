"""The pages and webhooks: HTTP in, services called, HTML out."""
