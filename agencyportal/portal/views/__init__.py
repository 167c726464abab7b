"""The client's pages, one module for each part of the portal."""
