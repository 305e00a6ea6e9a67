"""The catalog: products over REST, and an event for every change to them."""
