"""Cases paired with references, and how much they overlap."""
