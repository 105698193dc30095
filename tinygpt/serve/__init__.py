"""A server for one's own model: OpenAI's protocol, and a page to play on."""
