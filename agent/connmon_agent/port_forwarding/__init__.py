"""Local ports that lead to pods, and stay reachable when the pods, the API server or the link go away and come back."""
