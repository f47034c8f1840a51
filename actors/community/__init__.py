"""Communities: peers' experience, remaining life, supplies that last."""
