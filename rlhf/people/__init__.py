"""People's answers: asked in the terminal, on sheets, merged with the judges'."""
