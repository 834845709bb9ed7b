"""The adapter to the Kubernetes API: ``cluster.KubernetesCluster`` implements the port ``Cluster``."""
