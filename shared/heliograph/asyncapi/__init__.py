"""What a service announces and hears, described for those who know none of our code.

JSON Schemas of events, an AsyncAPI document and a page, made of contracts and receivers.
"""

from heliograph.asyncapi.document import document
from heliograph.asyncapi.page import STYLE, page
from heliograph.asyncapi.schemas import body_schema, header_schema

__all__ = ["STYLE", "body_schema", "document", "header_schema", "page"]
