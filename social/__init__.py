"""The shared package: wire shapes, the domain's verbs, and the infrastructure they stand on."""
