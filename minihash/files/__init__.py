"""Room 8: files: a checkpoint holds the table, never the virtual weights; all are written whole."""
