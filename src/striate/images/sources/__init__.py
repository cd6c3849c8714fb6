"""Where labelled pictures come from: folders, tables, arrays and named sets."""
