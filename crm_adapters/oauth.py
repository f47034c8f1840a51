"""OAuth 2.0 client credentials: one token, refreshed once for all who wait."""
