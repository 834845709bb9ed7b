"""What commands show, as text and as JSON documents: pure functions of what the store remembers."""
