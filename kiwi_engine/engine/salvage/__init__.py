"""Making a new directory of what is provably good in a damaged one."""
