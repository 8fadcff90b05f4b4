"""Everything that can be known before the first step: looked at, checked, and shown."""
