"""What was done, by whom, to what: a chain of entries for each tenant, which is only ever added to."""
