"""The HTTP service, installed as ``gmmlabel.api``; it imports gmmlabel, never the other way."""
