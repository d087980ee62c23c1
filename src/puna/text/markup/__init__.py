"""Markup: how a model writes thinking and tool calls, learnt from its template, and its parser."""
