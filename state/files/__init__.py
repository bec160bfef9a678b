"""All parsers of people's files, and files that appear whole or not at all."""
