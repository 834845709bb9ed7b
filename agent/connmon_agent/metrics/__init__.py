"""What monitoring systems read: metrics for Prometheus, and health for those who ask whether the agent lives."""
