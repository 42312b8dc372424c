"""The files that are generated from the code: nginx, dashboards, documents and pages."""
