"""No tables of its own: without this module Django sends the app no `post_migrate`."""
