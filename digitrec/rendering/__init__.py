"""Text and figures of reports: Markdown, the style of figures, and images in a grid."""
