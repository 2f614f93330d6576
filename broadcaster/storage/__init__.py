"""Tables and queries: SQLAlchemy functions on a Session that never commit."""
