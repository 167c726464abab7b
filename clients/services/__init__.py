"""The only writers of what `clients` keeps. Each call is one transaction."""
