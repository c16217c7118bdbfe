"""The control plane's face: a JSON API for programs and pages for people, over one set of services."""
