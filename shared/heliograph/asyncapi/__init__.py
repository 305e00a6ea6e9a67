"""What a service announces and hears, described for those who know none of our code.

JSON Schemas of events and an AsyncAPI document, made of contracts and receivers.
"""

from heliograph.asyncapi.document import document
from heliograph.asyncapi.schemas import body_schema, header_schema

__all__ = ["body_schema", "document", "header_schema"]
