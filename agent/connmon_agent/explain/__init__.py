"""Why something is as it is, and what would change it: views of decisions, which decide nothing. Pure."""
