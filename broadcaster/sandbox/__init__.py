"""A Twilio-compatible server on loopback, with phones on a web page to text from.

It is a server and not a mock: it speaks Twilio's REST paths and signs its webhooks, so the same
official client and the same signature check run in the demo, in tests and in production. It
imports nothing else of the product, because it also judges it: its journal says which requests
were accepted, when, and what every webhook was answered.

Start one with :class:`broadcaster.sandbox.server.SandboxServer` or
``python -m broadcaster.sandbox``.
"""
