"""The tests of Kiwi Engine."""
