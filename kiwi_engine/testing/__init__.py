"""Shipped test kit: fakes and fault plans. Production code never imports it."""
