"""Membership attacks: traces in, scores out, one small file each. Higher score = more likely a member."""
