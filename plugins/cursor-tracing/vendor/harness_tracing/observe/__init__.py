"""Reading the store for people: a session as a tree, spans as JSON, filters over them."""
