"""The images of the tests on a cluster: ours from our own Dockerfile, and stand-ins for what cannot be pulled."""
