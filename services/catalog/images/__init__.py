"""Pictures of products: made fit for the web, stored, swept up and compared."""
