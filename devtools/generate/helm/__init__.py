"""The generated files of the Helm chart in deploy/helm/plaza."""
