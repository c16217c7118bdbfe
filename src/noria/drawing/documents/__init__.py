"""Values as whole documents: one HTML file that opens anywhere and asks nobody, Markdown for a message, text for a failed test."""
