"""All knowledge of Twilio: its signatures, webhooks, TwiML, error codes and REST API."""

from broadcaster.providers.twilio.client import TwilioProvider

__all__ = ["TwilioProvider"]
