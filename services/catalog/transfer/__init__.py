"""Products in and out of files, of any size and in constant memory."""
