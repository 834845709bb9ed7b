"""connmon-agent brings a small Kubernetes site back after the internet was gone."""

__version__ = "0.1.0"
