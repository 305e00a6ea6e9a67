"""What is set aside at the services, and their ledgers of emails: read, sorted and acted on."""
