"""Pictures in: labelled pictures from folders, tables, arrays and named sets, decoded one way."""
