"""The door out: one intent, the tenant's providers in order, every attempt kept."""
