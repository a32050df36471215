"""Files of people's documents (plain text, Word, PDF, HTML, RTF, EPUB): which kind one is, and its text."""
